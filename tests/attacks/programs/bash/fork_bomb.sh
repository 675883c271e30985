# tries: the classic
# expect: succeeded failed timed_out out_of_memory killed output_limit
# limits: max_execution_time=1500
bomb() { bomb | bomb & }
bomb 2>/dev/null
wait
