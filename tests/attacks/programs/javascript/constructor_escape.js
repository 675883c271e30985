// tries: climb constructors to objects of the guest
const root = (() => {}).constructor("return this")();
const names = Object.getOwnPropertyNames(root).filter((name) => /secret|canary|launcher/i.test(name));
console.log(names.length ? "ESCAPED:" : "held:", names);
try { console.log("held:", typeof Deno.core, typeof Deno[Deno.internal]); } catch (error) { console.log("held:", error.name); }
try {
  const core = Deno[Deno.internal]?.core;
  const text = core?.ops?.op_fs_read_file_text_sync?.(inputs.canary);
  console.log(text ? "ESCAPED: by an op" : "held: no op");
} catch (error) { console.log("held:", error.name); }
