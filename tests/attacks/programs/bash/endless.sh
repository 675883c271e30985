# tries: never end, deaf to signals
# expect: timed_out
# limits: max_execution_time=800
trap '' TERM INT HUP QUIT XCPU USR1 USR2
while :; do :; done
