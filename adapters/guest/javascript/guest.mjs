// The guest for JavaScript and TypeScript, in deno and in node: reads one request frame from stdin, runs the program, writes report
// frames to descriptor 3. See adapters/guest/protocol.py for the frames and shape.py for what the host says about the code.
//
// A script runs as one indirect eval: sloppy mode, its own completion value, errors that know its lines. A script with a top-level
// `await` runs the same way inside an async function. What imports or exports, and all TypeScript, runs as a module of its own.
import { complain, deno, exit, readRequest, report } from "./channels.mjs";
import { Program } from "./program.mjs";
import { define, guardImports, receive, surround, workFolder } from "./surroundings.mjs";
import { encode } from "./values.mjs";

const sloppyEval = eval;
const NONE = Symbol("none");

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

// --- the run ---------------------------------------------------------------------------------------------------------

const request = readRequest();
const program = new Program(request, workFolder);
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

/** Nothing of the program's is left to run. Deno still takes its engine apart, which takes as long as the program took. */
function sayThatItIsOver() {
  if (state === "over") report(`{"kind":"done","exit_code":${Number(deno.exitCode) & 255}}`);
}

/** Be the last of those who listen to the end: the program's own were there before. */
function beLast() {
  removeEventListener("unload", sayThatItIsOver);
  addEventListener("unload", sayThatItIsOver);
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
    addEventListener("beforeunload", beLast);
    addEventListener("unload", finish);
  } else {
    process.on("uncaughtException", fail);
    process.on("beforeExit", drained);
    process.on("exit", finish);
  }
}

function prepare() {
  surround(request, handover);
  receive(request);
  if (program.shape.mode !== "script" && /\bresult\b/.test(program.source)) define("result", undefined); // strict code may assign it
  guardImports(program.shape.imports);
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
