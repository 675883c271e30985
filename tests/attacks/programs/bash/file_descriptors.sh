# tries: use descriptors that the host left open
for fd in {3..60}; do
  if [[ -d /proc/self/fd/$fd ]]; then echo "ESCAPED: a folder is open at $fd"; fi
  if [[ -e /dev/fd/$fd/etc/shadow ]]; then echo "ESCAPED: a root of the host at $fd"; fi
done
echo "held: none"
