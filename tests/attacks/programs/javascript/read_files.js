// tries: read the host's files through deno and node
const attempts = { deno: () => Deno.readTextFileSync(inputs.canary), passwd: () => Deno.readTextFileSync("/etc/passwd"), list: () => [...Deno.readDirSync("/root")].map((entry) => entry.name).join(), environ: () => Deno.readTextFileSync("/proc/self/environ"), node: () => process.getBuiltinModule("node:fs").readFileSync(inputs.canary, "utf8") };
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    const seen = String(attempt());
    console.log(seen.includes("canary-") || seen.includes("root:x:0") || /\.(bash|profile|ssh)/.test(seen) || seen.includes("ATTACK_") ? "ESCAPED: read" : "held: nothing of the host's", name);
  } catch (error) { console.log("held:", name, error.name); }
}
