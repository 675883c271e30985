// tries: read the host's files
for (const path of [inputs.canary as string, "/etc/shadow", "/root/.ssh/id_rsa", "/proc/1/environ"]) {
  try {
    const text: string = Deno.readTextFileSync(path);
    console.log(text.includes("canary-") || text.includes("ATTACK_") || text.includes("root:") ? "ESCAPED: read" : "held: nothing of the host's", path);
  } catch (error) {
    console.log("held:", path, (error as Error).name);
  }
}
