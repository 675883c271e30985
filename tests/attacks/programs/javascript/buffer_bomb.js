// tries: take memory outside of the heap
// expect: out_of_memory failed killed
// limits: max_execution_time=8000
const kept = [];
for (let n = 0; n < 400; n++) kept.push(new Uint8Array(8 << 20).fill(1));
console.log("ESCAPED: holds", kept.length * 8, "MiB");
