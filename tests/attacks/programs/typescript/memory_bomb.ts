// tries: fill the memory with strings
// expect: out_of_memory
let text: string = "x".repeat(1 << 20);
const kept: string[] = [];
while (true) kept.push((text = `${text}${kept.length}`.toUpperCase().toLowerCase()));
