// tries: never end
// expect: timed_out
// limits: max_execution_time=1500
while (true) {}
