# tries: keep the interpreter in one C call
# expect: timed_out
# limits: max_execution_time=1000
print(len(str(7 ** (10**9))))
