// tries: leave a link to the host's file
try { Deno.symlinkSync(inputs.canary, "link"); console.log("held: left behind"); } catch (error) { console.log("held:", error.name); }
try { process.getBuiltinModule("node:fs").symlinkSync(inputs.canary, "link2"); console.log("held: left behind"); } catch (error) { console.log("held:", error.name); }
