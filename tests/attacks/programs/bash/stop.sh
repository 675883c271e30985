# tries: stop itself
# expect: timed_out
# limits: max_execution_time=800
kill -STOP $$
kill -STOP 0
while :; do :; done
