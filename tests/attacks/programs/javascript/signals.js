// tries: signal the host and everybody
// expect: succeeded killed failed
for (const pid of [inputs.host_pid, 1]) {
  try { Deno.kill(pid, "SIGCONT"); console.log(pid === 1 ? "held: its own first process" : "ESCAPED: signalled the host"); }
  catch (error) { console.log("held:", error.name); }
}
try { process.kill(inputs.host_pid, 0); console.log("ESCAPED: may signal the host"); } catch (error) { console.log("held:", error.name); }
