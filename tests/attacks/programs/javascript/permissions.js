// tries: give itself permissions
try {
  for (const name of ["read", "write", "net", "env", "run", "sys", "ffi"]) {
    const status = await Deno.permissions.request({ name });
    console.log("held: asked for", name, status.state, "and the wall holds");
  }
} catch (error) { console.log("held:", error.name); }
try { console.log("ESCAPED:", Deno.readTextFileSync(inputs.canary)); } catch (error) { console.log("held:", error.name); }
result = null;
