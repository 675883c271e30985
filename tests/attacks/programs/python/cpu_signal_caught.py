# tries: catch SIGXCPU and go on
# expect: timed_out
# limits: max_cpu_time=1000 max_execution_time=4000
import signal
signal.signal(signal.SIGXCPU, lambda *_: None)
while True:
    pass
