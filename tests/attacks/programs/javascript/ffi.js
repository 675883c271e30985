// tries: call the C library past the interpreter's permissions
try {
  const libc = Deno.dlopen("libc.so.6", { getuid: { parameters: [], result: "u32" }, unshare: { parameters: ["i32"], result: "i32" }, setuid: { parameters: ["u32"], result: "i32" }, socket: { parameters: ["i32", "i32", "i32"], result: "i32" }, mount: { parameters: ["buffer", "buffer", "buffer", "u64", "pointer"], result: "i32" } }).symbols;
  console.log(libc.getuid() === 0 ? "ESCAPED: runs as root" : "held: an ordinary user");
  console.log(libc.unshare(0x10000000) === 0 ? "ESCAPED: new user namespace" : "held: unshare");
  console.log(libc.setuid(0) === 0 ? "ESCAPED: setuid" : "held: setuid");
  console.log(libc.socket(17, 3, 0) >= 0 ? "ESCAPED: packet socket" : "held: socket");
  console.log(libc.socket(40, 1, 0) >= 0 ? "ESCAPED: vsock" : "held: vsock");
  const text = (word) => new TextEncoder().encode(word + "\0");
  console.log(libc.mount(text("none"), text("/tmp"), text("tmpfs"), 0n, null) === 0 ? "ESCAPED: mounted" : "held: mount");
} catch (error) { console.log("held:", error.name); }
