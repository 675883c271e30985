// A session in JavaScript or TypeScript, in deno and in node: request frames come on stdin one after the other, and each is a command
// that runs with what earlier ones declared. Report frames go to descriptor 3, the last of a command is `done`.
//
// V8's inspector evaluates the commands as the console of a browser does: what is declared at the top level stays and may be declared
// again, `await` works there, and nothing is wrapped in a function. commands.py says what is edited before.
import { Session } from "node:inspector";
import { complain, deno, exit, report, takeCommands } from "./channels.mjs";
import { forgetDisplays } from "./displays.mjs";
import { Program } from "./program.mjs";
import { guard, guardImports, receive, surround, workFolder } from "./surroundings.mjs";
import { encode } from "./values.mjs";

const { setImmediate } = globalThis;
const sloppyEval = eval;
const NONE = Symbol("none");
const GROUP = "command";
const GUEST = new URL(".", import.meta.url).href;
const INSPECTOR = /^(?:ext:deno_node\/|node:)inspector/;

/** A command asks for its end. */
class Exit {
  constructor(code) {
    this.code = Number(code ?? 0) & 255;
  }
}

const forsaken = []; // what commands await that were given up

/** What the edited code calls. */
const handover = {
  none: NONE,
  last: NONE,
  taken: NONE,
  value: NONE,
  isNew: false,
  awaited: undefined,
  /** `result` is about to be this value. */
  assigned(value) {
    handover.value = value;
    return value;
  },
  /** `result` is about to be something that follows from this value. */
  reassigned(value) {
    handover.isNew = true;
    return value;
  },
  /** What the code awaits at its top level is held until it awaits something else. If it were collected before, the inspector would
   * tell of that at a time when no code can run, which ends deno.
   */
  held(promise) {
    const isPromise = (typeof promise === "object" && promise !== null) || typeof promise === "function";
    handover.awaited = isPromise ? Promise.resolve(promise) : promise;
    return handover.awaited;
  },
  /** The same for what `for await` goes through. */
  heldEach(items) {
    const inner = (async function* () {
      yield* items;
    })();
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: () => handover.held(inner.next()),
      return: (value) => handover.held(inner.return(value)),
    };
  },
  async import(name, options) {
    const text = String(name);
    guard(text);
    if (/^\.\.?\//.test(text)) return await import(new URL(text, workFolder()).href, options);
    const builtin = /^[a-z]/.test(text) && !text.includes(":") && globalThis.process.getBuiltinModule(text);
    return await import(builtin ? `node:${text}` : text, options);
  },
};

// --- evaluating ------------------------------------------------------------------------------------------------------

const inspector = new Session();
inspector.connect();

function post(method, parameters) {
  return new Promise((resolve, reject) => {
    inspector.post(method, parameters, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

/** Run a command; its value, or NONE. */
async function evaluate(program) {
  Object.assign(handover, { last: NONE, value: NONE, isNew: false });
  const [own, before] = [command, result()];
  const { exceptionDetails: thrown, result: completion } = await post("Runtime.evaluate", {
    expression: `${await script(program)}\n//# sourceURL=${program.name}`,
    replMode: true,
    awaitPromise: true,
    objectGroup: GROUP,
  });
  if (thrown) throw await raised(thrown, program);
  own.state = "ran"; // a promise that is left over is no reason to fail
  const last = await (program.shape.mode ? handover.last : actual(completion));
  const now = result();
  const isAssigned = handover.isNew || Object.is(now, handover.value) || (!Object.is(now, before) && typeof now !== "function");
  return now !== NONE && isAssigned ? now : last;
}

/** What is evaluated. */
async function script(program) {
  const text = program.code.replace(/^#!/, "//");
  if (!program.typescript) return text;
  const { withoutTypes } = await import("./typescript.mjs");
  const { text: plain, back } = withoutTypes(text);
  program.back = back;
  return plain;
}

/** The variable `result`, however it was declared. */
function result() {
  try {
    const value = sloppyEval("typeof result === 'undefined' ? undefined : result");
    return value === undefined ? NONE : value;
  } catch {
    return NONE; // its declaration failed
  }
}

/** What a command threw. */
async function raised(details, program) {
  const error = details.exception ? await actual(details.exception) : new Error(details.text);
  if (error instanceof SyntaxError && program.isEarly(error) && (details.lineNumber || details.columnNumber)) {
    const [line, column] = program.origin(details.lineNumber + 1, details.columnNumber + 1);
    Object.assign(error, { place: { line, column } });
  }
  return error;
}

/** The value behind what the inspector tells of it. */
async function actual(remote) {
  if (remote.objectId === undefined) return sloppyEval(remote.unserializableValue ?? "undefined") ?? remote.value;
  handover.taken = undefined;
  const functionDeclaration = `function(value) { globalThis[Symbol.for("understudy")].taken = value }`;
  await post("Runtime.callFunctionOn", { functionDeclaration, objectId: remote.objectId, arguments: [{ objectId: remote.objectId }] });
  return handover.taken;
}

/** Stacks with the names of commands, which deno's own leave out, and without what is the guest's. */
function writeStacks() {
  Error.prepareStackTrace = (error, sites) => {
    const lines = [];
    for (const site of sites) {
      const [path, file] = [site.getFileName(), site.getScriptNameOrSourceURL?.() ?? ""];
      if (INSPECTOR.test(file)) break;
      if (!file.startsWith(GUEST)) lines.push(`\n    at ${path ? String(site).replace(path, () => file) : site}`);
    }
    return `${headOf(error)}${lines.join("")}`;
  };
}

function headOf(error) {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return "Error";
  }
}

// --- commands --------------------------------------------------------------------------------------------------------

const earlier = [];
let command = null; // that runs now: its program, its state, what went wrong beside it, how to end its waiting

async function obey(request) {
  const program = new Program(request, workFolder, earlier);
  command = { program, state: "running", failure: NONE, end: null };
  const drained = new Promise((resolve, reject) => (command.end = { resolve, reject }));
  if (earlier.length === 0) surround(request, handover);
  earlier.push(program);
  let value = NONE;
  try {
    receive(request);
    forgetDisplays();
    guardImports(program.shape.imports);
    const whole = evaluate(program);
    const own = command;
    whole.catch((error) => own === command || noteLeft(error)); // it was given up, and woke again
    value = await Promise.race([whole, drained]);
  } catch (error) {
    note(error);
  }
  await new Promise(setImmediate); // until then it is known which promises were rejected and left alone
  const code = tell(command.failure, value, request);
  command = null;
  await post("Runtime.releaseObjectGroup", { objectGroup: GROUP });
  await post("Runtime.discardConsoleEntries");
  Object.assign(handover, { last: NONE, taken: NONE, value: NONE, awaited: undefined });
  if (!report(JSON.stringify({ kind: "done", exit_code: code }))) throw new Error("a command has closed the channel of the reports");
}

/** Report how a command ended; its exit code. */
function tell(failure, value, request) {
  const left = takeExitCode();
  const code = failure instanceof Exit ? failure.code : failure === NONE ? left : 1;
  if (failure !== NONE && !(failure instanceof Exit)) {
    fail(failure);
  } else if (code !== 0) {
    report(JSON.stringify({ kind: "error", type: "Exit", message: `the program exited with code ${code}` }));
  } else {
    try {
      const sent = failure instanceof Exit ? assignedUntilExit() : value;
      report(`{"kind":"value","value":${encode(sent === NONE ? null : sent, request.max_value_bytes ?? Infinity)}}`);
    } catch (error) {
      complain(command.program.traceback(error));
      fail(error);
      return 1;
    }
  }
  return code;
}

/** What a command leaves that exits with 0. */
function assignedUntilExit() {
  const now = result();
  return handover.isNew || Object.is(now, handover.value) ? now : NONE;
}

function takeExitCode() {
  const code = Number(deno ? deno.exitCode : process.exitCode) & 255;
  if (deno) deno.exitCode = 0;
  else process.exitCode = undefined;
  return code;
}

function fail(error) {
  const { type, message, line, column } = command.program.describe(error);
  report(JSON.stringify({ kind: "error", type, message: message.slice(0, 10_000), line, column }));
}

/** A command threw this. The first error makes it fail. */
function note(error) {
  if (!(error instanceof Exit)) complain(command.program.traceback(error));
  if (command.failure === NONE) command.failure = error;
}

/** Nobody caught this error of something that was left running. It is the command's, unless it comes from earlier ones alone. */
function noteLeft(error) {
  const { frames } = earlier.at(-1).describe(error);
  if (command !== null && (frames.length === 0 || frames.some((frame) => frame.own))) note(error);
  else if (!(error instanceof Exit)) complain(earlier.at(-1).traceback(error));
}

/** Nothing is left to do, and a command still waits: it would wait for ever. */
function drained() {
  if (command === null) return;
  if (command.state === "ran") command.end.resolve(NONE);
  else forsaken.push(handover.awaited);
  const error = new Error("the command ended while an await at its top level still waited");
  command.end.reject(Object.assign(error, { name: "UnsettledAwait" }));
}

function listen() {
  if (deno) {
    addEventListener("error", (event) => (event.preventDefault(), noteLeft(event.error)));
    addEventListener("unhandledrejection", (event) => (event.preventDefault(), noteLeft(event.reason)));
    addEventListener("beforeunload", (event) => (event.preventDefault(), drained()));
    deno.exit = (code) => leave(code ?? deno.exitCode);
  } else {
    process.on("uncaughtException", noteLeft);
    process.on("beforeExit", drained);
    process.exit = (code) => leave(code ?? process.exitCode);
  }
}

/** An exit ends the command and not the session. */
function leave(code) {
  throw new Exit(code);
}

/** Take commands until there are no more. What the first would have to wait for is done before. */
async function serve() {
  const next = takeCommands();
  if ((deno ? deno.args : process.argv).includes("typescript")) await import("./typescript.mjs");
  await post("Runtime.evaluate", { expression: "0", replMode: true, awaitPromise: true });
  for (let request = await next(); request !== null; request = await next()) await obey(request);
}

writeStacks();
listen();
serve().then(() => exit(0), (error) => {
  complain(`the guest failed: ${error?.stack ?? error}`);
  exit(70);
});
