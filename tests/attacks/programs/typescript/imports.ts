// tries: import types and code from the host's disk
try {
  const found = await import("/etc/passwd" as string);
  console.log("ESCAPED:", found);
} catch (error) {
  console.log(String(error).includes("root:x") ? "ESCAPED: quoted" : "held:", (error as Error).name);
}
