# tries: send datagrams through bash's own /dev/udp
for address in 127.0.0.1/"${inputs[udp_port]}" 1.1.1.1/53; do
  if (echo attack > "/dev/udp/$address") 2>/dev/null && [[ $address != 127* ]]; then echo "ESCAPED: sent $address"; else echo "held: $address"; fi
done
