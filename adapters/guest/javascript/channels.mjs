// The guest's channels, in deno and in node: request frames on descriptor 0, report frames on descriptor 3, complaints on 2.

export const deno = globalThis.Deno;
const fs = deno ? null : await import("node:fs");
export const exit = deno ? deno.exit : process.exit.bind(process);

const REPORT_FD = 3;
const COMMANDS_FD = 100;
const CLOSE_ON_EXEC = 0o2000000;
const HEAD_BYTES = 4;

/** Deno writes only to descriptors that it opened itself, so the C library writes for us. */
function openReport() {
  if (!deno) return (bytes) => fs.writeSync(REPORT_FD, bytes);
  const { write } = libc({ write: { parameters: ["i32", "buffer", "usize"], result: "isize" } });
  return (bytes) => Number(write(REPORT_FD, bytes, BigInt(bytes.length)));
}

function libc(functions) {
  return deno.dlopen(deno.build.os === "darwin" ? "libSystem.dylib" : "libc.so.6", functions).symbols;
}

const writeReport = openReport();

/** Write one frame of JSON text; whether somebody reads it. */
export function report(json) {
  const body = new TextEncoder().encode(json);
  const frame = new Uint8Array(HEAD_BYTES + body.length);
  new DataView(frame.buffer).setUint32(0, body.length);
  frame.set(body, HEAD_BYTES);
  for (let at = 0; at < frame.length; ) {
    const count = writeReport(frame.subarray(at));
    if (!(count > 0)) return false;
    at += count;
  }
  return true;
}

/** A line on stderr. */
export function complain(text) {
  const bytes = new TextEncoder().encode(`${text}\n`);
  for (let at = 0; at < bytes.length; ) at += deno ? deno.stderr.writeSync(bytes.subarray(at)) : fs.writeSync(2, bytes, at);
}

/** The only request that comes on descriptor 0. */
export function readRequest() {
  const head = readExactly(HEAD_BYTES);
  return parse(readExactly(new DataView(head.buffer).getUint32(0)));
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

const parse = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

/** A function that gives the next request of a session, or null at the end. Descriptor 0 is empty from now on, as it is
 * for a program: what reads it shall not take the commands away.
 */
export function takeCommands() {
  const read = deno ? takeWithLibc() : takeWithNode();
  const whole = async (length) => {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const count = await read(bytes.subarray(at));
      if (!(count > 0)) return at === 0 ? null : undefined;
      at += count;
    }
    return bytes;
  };
  return async () => {
    const head = await whole(HEAD_BYTES);
    const body = head && (await whole(new DataView(head.buffer).getUint32(0)));
    if (head === undefined || (head && !body)) throw new Error("a request frame is cut short");
    return head && parse(body);
  };
}

function takeWithLibc() {
  const int = "i32";
  const { close, dup3, pipe, read } = libc({
    close: { parameters: [int], result: int },
    dup3: { parameters: [int, int, int], result: int },
    pipe: { parameters: ["buffer"], result: int },
    read: { parameters: [int, "buffer", "usize"], result: "isize", nonblocking: true },
  });
  const ends = new Int32Array(2);
  if (dup3(0, COMMANDS_FD, CLOSE_ON_EXEC) < 0 || pipe(ends) < 0 || dup3(ends[0], 0, 0) < 0) {
    throw new Error("the channel of the commands cannot be set aside");
  }
  for (const end of ends) close(end);
  return async (bytes) => Number(await read(COMMANDS_FD, bytes, BigInt(bytes.length)));
}

function takeWithNode() {
  const commands = fs.openSync("/dev/fd/0", "r");
  fs.closeSync(0);
  fs.openSync("/dev/null", "r"); // it gets the lowest number that is free
  return (bytes) => new Promise((resolve, reject) => {
    fs.read(commands, bytes, 0, bytes.length, null, (error, count) => (error ? reject(error) : resolve(count)));
  });
}
