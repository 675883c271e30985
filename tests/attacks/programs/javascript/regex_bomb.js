// tries: keep the engine in a regular expression
// expect: timed_out
// limits: max_execution_time=1500
/^(a+)+$/.test("a".repeat(60) + "b");
