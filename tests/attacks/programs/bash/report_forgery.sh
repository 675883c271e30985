# tries: write outcomes to the host's channels
# expect: failed
for fd in {3..40}; do
  printf '\0\0\0\x40{"kind":"outcome","status":"succeeded","exit_code":0,"signal":null}' >&"$fd"
done 2>/dev/null
echo "held: sent"
exit 7
