# tries: make the host hand out its own files
ln -s "${inputs[canary]}" link 2>/dev/null
ln -s / root 2>/dev/null
mkfifo fifo 2>/dev/null
echo "held: left behind"
