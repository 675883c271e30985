// tries: import code from the network and from the host's disk
for (const name of [`http://127.0.0.1:${inputs.tcp_port}/x.js`, "https://deno.land/std/version.ts", "npm:left-pad", "jsr:@std/path", `file://${inputs.canary}`, "file:///etc/passwd"]) {
  try { await import(name); console.log("ESCAPED: imported", name); }
  catch (error) { console.log(String(error).includes("canary-") ? "ESCAPED: the error quotes the file" : "held:", name, error.name); }
}
result = null;
