// tries: read the host's environment
const seen = [];
try { seen.push(JSON.stringify(Deno.env.toObject())); } catch (error) { console.log("held:", error.name); }
try { seen.push(JSON.stringify(process.env)); } catch (error) { console.log("held:", error.name); }
console.log(seen.join(" ").includes("ATTACK_" + "CANARY") ? "ESCAPED: in the environment" : "held: not there");
