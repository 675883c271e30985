# tries: raise its limits
for limit in u n f v t c; do
  if [[ $(ulimit -H"$limit") == unlimited ]]; then echo "held: no limit -$limit here"; continue; fi
  if ulimit -H"$limit" unlimited 2>/dev/null; then echo "ESCAPED: raised -$limit"; else echo "held: -$limit"; fi
done
