// tries: start a program
try {
  const done = new Deno.Command("sh", { args: ["-c", `cat ${inputs.canary}`] }).outputSync();
  console.log(new TextDecoder().decode(done.stdout).includes("canary-") ? "ESCAPED: read" : "held: ran without harm");
} catch (error) {
  console.log("held:", (error as Error).name);
}
