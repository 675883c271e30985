// tries: take memory through WebAssembly
// expect: succeeded out_of_memory failed killed
// limits: max_execution_time=8000
const kept = [];
try {
  for (let n = 0; n < 8; n++) {
    const memory = new WebAssembly.Memory({ initial: 4096 });
    new Uint8Array(memory.buffer).fill(1);
    kept.push(memory);
  }
  console.log("ESCAPED: holds", kept.length * 256, "MiB");
} catch (error) { console.log("held:", error.name); }
