// tries: fill the heap
// expect: out_of_memory
const kept = [];
while (true) kept.push(new Array(100_000).fill(kept.length));
