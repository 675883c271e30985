# tries: flood stdout
# expect: output_limit
while :; do printf '%01000d\n' 1; done
