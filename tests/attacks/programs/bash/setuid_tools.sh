# tries: use the host's tools
for tool in su sudo mount umount unshare nsenter chroot newgrp passwd docker nc curl wget ssh systemctl at crontab; do
  if path=$(command -v "$tool"); then echo "held: $path is there"; "$path" --help > /dev/null 2>&1; else echo "held: no $tool"; fi
done
if [[ $EUID == 0 ]]; then echo "ESCAPED: runs as root"; fi
if command -v unshare > /dev/null && unshare -Ur true 2>/dev/null; then echo "ESCAPED: new user namespace"; fi
