// The guest for JavaScript and TypeScript, in deno and in node: reads one request frame from stdin, runs the program, writes report
// frames to descriptor 3. See adapters/guest/protocol.py for the frames and shape.py for what the host says about the code.
//
// A script runs as one indirect eval: sloppy mode, its own completion value, errors that know its lines. A script with a top-level
// `await` runs the same way inside an async function. What imports or exports, and all TypeScript, runs as a module of its own.
import { displayFrame } from "./displays.mjs";
import { Program } from "./program.mjs";
import * as types from "./types.mjs";
import { decode, encode } from "./values.mjs";

const deno = globalThis.Deno;
const fs = deno ? null : await import("node:fs");
const exit = deno ? deno.exit : process.exit.bind(process);
const sloppyEval = eval;
const REPORT_FD = 3;
const NONE = Symbol("none");

// --- channels --------------------------------------------------------------------------------------------------------

/** Deno writes only to descriptors that it opened itself, so the C library writes for us. */
function openReport() {
  if (!deno) return (bytes) => fs.writeSync(REPORT_FD, bytes);
  const symbols = { write: { parameters: ["i32", "buffer", "usize"], result: "isize" } };
  const { write } = deno.dlopen(deno.build.os === "darwin" ? "libSystem.dylib" : "libc.so.6", symbols).symbols;
  return (bytes) => Number(write(REPORT_FD, bytes, BigInt(bytes.length)));
}

const writeReport = openReport();

/** Write one frame of JSON text. */
function report(json) {
  const body = new TextEncoder().encode(json);
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setUint32(0, body.length);
  frame.set(body, 4);
  for (let at = 0; at < frame.length; ) {
    const count = writeReport(frame.subarray(at));
    if (!(count > 0)) return; // nobody reads any more
    at += count;
  }
}

function complain(text) {
  const bytes = new TextEncoder().encode(`${text}\n`);
  for (let at = 0; at < bytes.length; ) at += deno ? deno.stderr.writeSync(bytes.subarray(at)) : fs.writeSync(2, bytes, at);
}

function readRequest() {
  const head = readExactly(4);
  return JSON.parse(new TextDecoder().decode(readExactly(new DataView(head.buffer).getUint32(0))));
}

function readExactly(length) {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const count = deno ? deno.stdin.readSync(bytes.subarray(at)) : fs.readSync(0, bytes, at, length - at);
    if (!count) throw new Error("the request frame is cut short");
    at += count;
  }
  return bytes;
}

/** The address of the folder that the program starts in. */
function workFolder() {
  try {
    const path = deno ? deno.cwd() : process.cwd();
    return `file://${path.split("/").map(encodeURIComponent).join("/")}/`.replace(/\/\/$/, "/");
  } catch {
    return "file:///"; // no permission to know it: the policy lets no files in
  }
}

// --- running ---------------------------------------------------------------------------------------------------------

/** What the code itself hands over: a way to read `result`, and the last expression where eval gives no value. */
const handover = {
  none: NONE,
  last: NONE,
  reader: null,
  watch(reader) {
    handover.reader = reader;
  },
};

/** Run the program; its last expression's value, or NONE. */
async function run(program) {
  const mode = program.typescript ? "module" : program.shape.mode || "script";
  if (mode === "module") return await asModule(program);
  const [head, tail] = mode === "async" ? ["(async()=>{", "})()"] : ["", ""];
  program.prefix = head.length;
  let value;
  try {
    value = sloppyEval(`${head}${program.code}${program.epilogue}${tail}\n//# sourceURL=${program.name}`);
  } catch (error) {
    if (!program.isEarly(error)) throw error;
    program.prefix = 0;
    return await asModule(program, error); // a module that was not seen to be one; if not, this finds the place of the mistake
  }
  if (mode === "script") {
    state = "ran"; // a promise that is left over is no reason to fail
    return program.shape.value ? await value : NONE;
  }
  await value;
  return await handover.last;
}

async function asModule(program, scriptError = null) {
  let text = program.code;
  if (!deno && program.typescript) text = (await import("node:module")).stripTypeScriptTypes(text, { mode: "transform" });
  program.address = moduleAddress(`${text}${program.epilogue}\nexport {};`, program.typescript);
  try {
    await import(program.address);
  } catch (error) {
    if (scriptError === null || !program.isEarly(error)) throw error;
    const place = /strict mode|module/i.test(error.message) ? null : program.place(error);
    program.address = null;
    throw place === null ? scriptError : Object.assign(scriptError, { place });
  }
  return await handover.last;
}

function moduleAddress(text, typescript) {
  const type = `application/${typescript ? "typescript" : "javascript"}`;
  if (deno) return URL.createObjectURL(new Blob([text], { type }));
  return `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`;
}

// --- what the program finds ------------------------------------------------------------------------------------------

function define(name, value) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

const bare = (name) => name.replace(/^node:/, "");

/** An honest mistake is caught here; what contains the program is the wall. */
function guard(allowed, name, place) {
  if (allowed === null || /^(\.|file:|\/)/.test(name) || allowed.some((one) => bare(one) === bare(name))) return;
  const error = new Error(`importing "${name}" is not allowed by the policy`);
  throw Object.assign(error, place && { place }, { name: "ImportError" });
}

/** `require`, `module` and `exports`, made on first use: node's module system takes 30 ms to load in deno. */
function defineRequire(allowed) {
  const builtin = globalThis.process.getBuiltinModule;
  const module = { exports: {}, id: "." };
  const require = (name) => {
    guard(allowed, String(name));
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
  report(displayFrame(value, options, request.max_value_bytes));
}

// --- the run ---------------------------------------------------------------------------------------------------------

const request = readRequest();
const program = new Program(request, workFolder);
const allowed = request.allowed_imports ?? null;
let state = "running"; // then "ran", and "over" once value or error is out
let last = NONE;

function fail(error) {
  if (state === "over") return;
  state = "over";
  const { type, message, line, column } = program.describe(error);
  complain(program.traceback(error));
  report(JSON.stringify({ kind: "error", type, message: message.slice(0, 10_000), line, column }));
  exit(1);
}

/** Nothing is left to do, and the program still waits: it would wait for ever. */
function drained() {
  if (state !== "running") return;
  const error = new Error("the program ended while an await at its top level still waited");
  fail(Object.assign(error, { name: "UnsettledAwait" }));
}

/** The program ends, by itself or by an exit of its own. */
function finish() {
  if (state === "over") return;
  const code = Number(deno ? deno.exitCode : process.exitCode) || 0;
  if (code !== 0) {
    state = "over";
    report(JSON.stringify({ kind: "error", type: "Exit", message: `the program exited with code ${code & 255}` }));
    return;
  }
  try {
    const variable = resultVariable();
    const value = variable === NONE ? last : variable;
    report(`{"kind":"value","value":${encode(value === NONE ? null : value, request.max_value_bytes ?? Infinity)}}`);
    state = "over";
  } catch (error) {
    fail(error);
  }
}

function resultVariable() {
  const value = handover.reader === null ? NONE : handover.reader();
  if (value !== NONE) return value;
  const global = Object.getOwnPropertyDescriptor(globalThis, "result")?.value;
  return global === undefined || typeof global === "function" ? NONE : global;
}

function listen() {
  if (deno) {
    const take = (event, error) => (event.preventDefault(), fail(error));
    addEventListener("error", (event) => take(event, event.error));
    addEventListener("unhandledrejection", (event) => take(event, event.reason));
    addEventListener("beforeunload", drained);
    addEventListener("unload", finish);
  } else {
    process.on("uncaughtException", fail);
    process.on("beforeExit", drained);
    process.on("exit", finish);
  }
}

function prepare() {
  Object.defineProperty(globalThis, Symbol.for("understudy"), { value: handover });
  for (const [name, type] of Object.entries(types)) if (/^[A-Z]/.test(name)) define(name, type);
  define("inputs", decode(request.inputs));
  define("display", display);
  for (const name of ["require", "module", "exports"]) lazily(name, () => defineRequire(allowed));
  if (program.shape.mode !== "script" && /\bresult\b/.test(program.source)) define("result", undefined); // strict code may assign it
  for (const [name, line, column] of program.shape.imports) guard(allowed, name, { line, column });
  if (deno && request.binary) deno.execPath = () => request.binary; // its own looks into /proc and panics where there is none
  if (deno && request.closed) deno.permissions.revokeSync({ name: "ffi" });
}

listen();
try {
  prepare();
} catch (error) {
  fail(error);
}
run(program).then((value) => {
  state = "ran";
  last = value;
}, fail);
