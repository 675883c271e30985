// tries: reach the host and the internet
for (const address of [{ hostname: "127.0.0.1", port: inputs.tcp_port as number }, { hostname: "1.1.1.1", port: 443 }]) {
  try {
    const link: Deno.TcpConn = await Deno.connect(address);
    link.close();
    console.log("ESCAPED: connected", address.hostname);
  } catch (error) {
    console.log("held:", (error as Error).name);
  }
}
