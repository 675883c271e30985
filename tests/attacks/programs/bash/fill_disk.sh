# tries: fill every folder that it can write to
written=0
block=$(printf '%01048576d' 0)
for folder in . /tmp /dev/shm /var/tmp /run /dev / /home; do
  for number in {1..40}; do
    if printf '%s' "$block" >> "$folder/fill" 2>/dev/null; then written=$((written + 1)); else break; fi
  done
done 2>/dev/null
if ((written > 100)); then echo "ESCAPED: wrote $written MiB"; else echo "held: wrote $written MiB"; fi
