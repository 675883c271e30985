# tries: kill all that it may
# expect: succeeded failed killed
kill -0 "${inputs[host_pid]}" 2>/dev/null && echo "ESCAPED: may signal the host"
echo "held: not the host"
kill -9 -1
