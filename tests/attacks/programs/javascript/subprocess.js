// tries: start programs
const attempts = { deno: () => new TextDecoder().decode(new Deno.Command("/bin/sh", { args: ["-c", `cat ${inputs.canary}`] }).outputSync().stdout), node: () => process.getBuiltinModule("node:child_process").execSync(`cat ${inputs.canary}`).toString(), self: () => new TextDecoder().decode(new Deno.Command(Deno.execPath(), { args: ["eval", "--allow-all", `console.log(Deno.readTextFileSync(${JSON.stringify(inputs.canary)}))`] }).outputSync().stdout) };
for (const [name, attempt] of Object.entries(attempts)) {
  try { const out = attempt(); console.log(out.includes("canary-") ? "ESCAPED: read by" : "held: ran without harm", name); }
  catch (error) { console.log("held:", name, error.name); }
}
