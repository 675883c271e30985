# tries: keep the interpreter in a regular expression
# expect: timed_out
# limits: max_execution_time=1000
import re
re.match(r"(a+)+$", "a" * 60 + "b")
