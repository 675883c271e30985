// tries: flood stdout
// expect: output_limit
while (true) console.log("x".repeat(10_000));
