# tries: read the host's files
for path in "${inputs[canary]}" /etc/shadow /root/.bash_history /root/.ssh/id_rsa /proc/1/environ /etc/ssh/ssh_host_rsa_key; do
  if text=$(< "$path") 2>/dev/null && [[ -n $text ]]; then echo "ESCAPED: read $path"; else echo "held: $path"; fi
done 2>/dev/null
if [[ -r /etc/passwd && $(< /etc/passwd) == *root:x:0:0* ]]; then echo "ESCAPED: read /etc/passwd"; fi
