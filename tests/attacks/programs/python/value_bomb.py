# tries: send a value that does not fit
# expect: output_limit out_of_memory
result = ["x" * 1000] * 40_000
