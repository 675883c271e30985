# tries: reach the network through bash's own /dev/tcp
for address in 127.0.0.1/"${inputs[tcp_port]}" 169.254.169.254/80 1.1.1.1/443; do
  if (exec 9<>"/dev/tcp/$address") 2>/dev/null; then echo "ESCAPED: connected $address"; else echo "held: $address"; fi
done
