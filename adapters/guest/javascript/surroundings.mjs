// What a program finds around it: its inputs, the types of values, `require`, `display`, and the guard of its imports.
import { deno, report } from "./channels.mjs";
import { displayFrame, forgetDisplays } from "./displays.mjs";
import * as types from "./types.mjs";
import { decode } from "./values.mjs";

/** What holds for the program that runs now; in a session, for the command. */
const current = { allowed: null, maxBytes: Infinity };

/** The address of the folder that the program starts in. */
export function workFolder() {
  try {
    const path = deno ? deno.cwd() : process.cwd();
    return `file://${path.split("/").map(encodeURIComponent).join("/")}/`.replace(/\/\/$/, "/");
  } catch {
    return "file:///"; // no permission to know it: the policy lets no files in
  }
}

export function define(name, value) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

const bare = (name) => name.replace(/^node:/, "");

/** An honest mistake is caught here; what contains the program is the wall. */
export function guard(name, place) {
  const { allowed } = current;
  if (allowed === null || /^(\.|file:|\/)/.test(name) || allowed.some((one) => bare(one) === bare(name))) return;
  const error = new Error(`importing "${name}" is not allowed by the policy`);
  throw Object.assign(error, place && { place }, { name: "ImportError" });
}

/** `require`, `module` and `exports`, made on first use: node's module system takes 30 ms to load in deno. */
function defineRequire() {
  const builtin = globalThis.process.getBuiltinModule;
  const module = { exports: {}, id: "." };
  const require = (name) => {
    guard(String(name));
    return builtin(String(name)) ?? builtin("node:module").createRequire(`${workFolder()}program.js`)(name);
  };
  require.main = module;
  define("require", require);
  define("module", module);
  define("exports", module.exports);
}

function lazily(name, make) {
  const get = () => (make(), globalThis[name]);
  Object.defineProperty(globalThis, name, { get, set: (value) => define(name, value), configurable: true, enumerable: false });
}

/** Show something beside the value: an Image; anything with a MIME type (`{ mime: "text/html" }`; bytes as Uint8Array); several forms
 * of one thing by MIME type (`{ raw: true }`); else its text or JSON. `title` names it.
 */
function display(value, options = {}) {
  report(displayFrame(value, options, current.maxBytes));
}

/** Put all of it in place, once. `handover` is how the code and the guest reach each other. */
export function surround(request, handover) {
  Object.defineProperty(globalThis, Symbol.for("understudy"), { value: handover });
  for (const [name, type] of Object.entries(types)) if (/^[A-Z]/.test(name)) define(name, type);
  define("display", display);
  for (const name of ["require", "module", "exports"]) lazily(name, defineRequire);
  if (deno && request.binary) deno.execPath = () => request.binary; // its own looks into /proc and panics where there is none
  if (deno && request.closed) deno.permissions.revokeSync({ name: "ffi" });
}

/** What changes with every request. */
export function receive(request) {
  current.allowed = request.allowed_imports ?? null;
  current.maxBytes = request.max_value_bytes ?? Infinity;
  forgetDisplays();
  define("inputs", decode(request.inputs));
}

/** Hold the modules that the code names against the list of the policy. */
export function guardImports(imports) {
  for (const [name, line, column] of imports) guard(name, { line, column });
}
