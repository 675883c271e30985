// The caller's code as the guest runs it, and what its errors say about the caller's own lines.

const KEY = 'globalThis[Symbol.for("understudy")]';
const GUEST = new URL(".", import.meta.url).href;
const FRAME = /^\s+at (?:(?:async )?(.*?) \()?([^()]*?):(\d+):(\d+)\)?$/;

/** The code with the host's edits (see shape.py), and the way back from its positions to the caller's. */
export class Program {
  /** `folder` gives the address of the work folder, with a slash at its end. `earlier` are the commands of a session before this
   * one: their code is the caller's too.
   */
  constructor(request, folder, earlier = []) {
    this.shape = { mode: "", value: true, edits: [], imports: [], error: null, ...request.shape };
    this.typescript = request.language === "typescript";
    const number = earlier.length ? `-${earlier.length + 1}` : "";
    this.name = `program${number}.${this.typescript ? "ts" : "js"}`;
    this.earlier = earlier;
    this.source = request.code;
    this.edits = this.shape.edits.map(([start, end, text]) => [start, end, text === "$cwd/" ? folder() : text]);
    this.address = null; // of the module
    this.prefix = 0; // columns that stand before the first line
    this.back = null; // from places in what was made of the code to those in the edited code
  }

  get code() {
    let [text, at] = ["", 0];
    for (const [start, end, replacement] of this.edits) {
      text += this.source.slice(at, start) + replacement;
      at = end;
    }
    return text + this.source.slice(at);
  }

  /** What ends the code: it hands over a way to read `result`, which may be a name that only the code itself can see. */
  get epilogue() {
    if (!/\bresult\b/.test(this.source) || /\b(?:function\s*\*?|class)\s+result\b/.test(this.source)) return "\n";
    let name = "$end";
    while (this.source.includes(name)) name += "$";
    return `\n;const ${name}=${KEY}.watch(()=>typeof result==="undefined"?${KEY}.none:result);`;
  }

  /** The caller's column for a column of the edited text. Lines are the same in both. */
  column(line, column) {
    let start = 0;
    for (let number = 1; number < line; number++) start = this.source.indexOf("\n", start) + 1;
    let own = line === 1 ? column - this.prefix : column;
    for (const [from, to, text] of this.edits) {
      if (from < start || from - start + 1 >= own) continue;
      own = Math.max(own - text.length + (to - from), from - start + 1);
    }
    return Math.max(own, 1);
  }

  /** The caller's line and column for a place in what ran. */
  origin(line, column) {
    const [own, place] = this.back === null ? [line, column] : this.back(line, column);
    return [own, this.column(own, place)];
  }

  #isOwn(file) {
    return file === this.address || file === this.name || file.startsWith(`${this.name}, `);
  }

  /** The frames of an error that lie in the caller's code, or in files that it loaded. */
  frames(error) {
    const found = [];
    for (const text of trace(error).split("\n")) {
      const match = FRAME.exec(text);
      if (!match || match[2].startsWith(GUEST)) continue;
      const file = match[2].replace(/^async /, "");
      let [line, column] = [Number(match[3]), Number(match[4])];
      const owner = [this, ...this.earlier].find((program) => program.#isOwn(file));
      if (owner) [line, column] = owner.origin(line, column);
      if (owner ? line > owner.source.split("\n").length : !file.startsWith("file:")) continue;
      const name = /\beval\b|<anonymous>/.test(match[1] ?? "eval") ? "" : match[1];
      found.push({ name, own: owner === this, file: owner?.name ?? file, line, column });
    }
    return found;
  }

  /** Whether the code did not even compile: no line of it ran, so none is in the stack. */
  isEarly(error) {
    return (error instanceof SyntaxError || /^SyntaxError: /.test(error?.message)) && !this.frames(error).length;
  }

  /** Where a message of deno's says that the module does not parse or cannot be linked; null where it names no place. */
  place(error) {
    const at = this.address === null ? -1 : error.message.lastIndexOf(` at ${this.address}:`);
    const match = at < 0 ? null : /:(\d+):(\d+)\s*$/.exec(error.message.slice(at));
    return match && { line: Number(match[1]), column: this.column(Number(match[1]), Number(match[2])) };
  }

  message(error) {
    let text = String(error.message);
    if (this.address !== null) {
      const at = text.lastIndexOf(` at ${this.address}:`);
      text = (at < 0 ? text : text.slice(0, at).trimEnd()).replaceAll(this.address, this.name);
    }
    return text.split("\n  |\n")[0].replace(/^SyntaxError: /, "");
  }

  /** An error as an `error` frame has it, and its frames. */
  describe(error) {
    if (!(error instanceof Error)) return { type: "Uncaught", message: textOf(error), line: null, column: null, frames: [] };
    const frames = this.frames(error);
    const early = !frames.length && this.isEarly(error);
    const own = frames.find((frame) => frame.own) ?? error.place ?? this.place(error);
    const [line, column] = own ? [own.line, own.column] : ((early && this.shape.error) || [null, null]);
    const type = early ? "SyntaxError" : String(error.name || error.constructor?.name || "Error");
    return { type, message: this.message(error), line, column, frames };
  }

  /** What goes to stderr. */
  traceback(error, depth = 0) {
    const { type, message, line, column, frames } = this.describe(error);
    const lines = [`${depth ? "Caused by: " : ""}${type}: ${message}`];
    for (const frame of frames) {
      const where = `${frame.file}:${frame.line}:${frame.column}`;
      lines.push(frame.name ? `    at ${frame.name} (${where})` : `    at ${where}`);
    }
    if (!frames.length && line) lines.push(`    at ${this.name}:${line}:${column}`);
    if (error instanceof Error && error.cause !== undefined && depth < 5) lines.push(this.traceback(error.cause, depth + 1));
    return lines.join("\n");
  }
}

/** The stack without the message at its head, which may hold anything. */
function trace(error) {
  const stack = String(error?.stack ?? "");
  const message = String(error?.message ?? "");
  const at = message ? stack.indexOf(message) : -1;
  return at < 0 ? stack : stack.slice(at + message.length);
}

function textOf(value) {
  try {
    return (typeof value === "object" ? JSON.stringify(value) : String(value)) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
