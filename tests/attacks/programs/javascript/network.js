// tries: reach the network with fetch, TCP, UDP and WebSocket
const attempts = { fetch: () => fetch(`http://127.0.0.1:${inputs.tcp_port}/attack`, { signal: AbortSignal.timeout(500) }), metadata: () => fetch("http://169.254.169.254/latest/meta-data/", { signal: AbortSignal.timeout(500) }), tcp: () => Deno.connect({ hostname: "127.0.0.1", port: inputs.tcp_port }), dns: () => Deno.resolveDns("example.com", "A"), unix: () => Deno.connect({ transport: "unix", path: inputs.unix_path }), listen: () => { throw new Error("not tried") } };
for (const [name, attempt] of Object.entries(attempts)) {
  try { await attempt(); console.log("ESCAPED: reached", name); }
  catch (error) { console.log("held:", name, error.name); }
}
result = null;
