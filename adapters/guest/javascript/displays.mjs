// What a program shows: the forms of a value, by MIME type, as a display frame has them.

import { Image } from "./types.mjs";
import { TooLargeError, encode } from "./values.mjs";

const BUNDLE = Symbol.for("Jupyter.display"); // the method by which a value shows itself, as in Deno's own notebooks
const MAX_DISPLAYS = 100;
let shown = 0;

/** The JSON of the frame that shows `value`; see `display` in guest.mjs for the options. */
export function displayFrame(value, { mime, raw = false, title = "" } = {}, maxBytes = Infinity) {
  if (++shown > MAX_DISPLAYS) throw new RangeError(`a program shows at most ${MAX_DISPLAYS} things`);
  const data = {};
  for (const [name, content] of Object.entries(raw ? value : formsOf(value, mime))) data[name] = wire(content);
  const json = JSON.stringify({ kind: "display", data, title: String(title) });
  if (json.length > maxBytes) {
    throw new TooLargeError(`a display takes ${json.length} bytes and the policy lets out ${maxBytes} (max_output_bytes)`);
  }
  return json;
}

/** Begin to count anew, as each command of a session does. */
export function forgetDisplays() {
  shown = 0;
}

function formsOf(value, mime) {
  if (value instanceof Image) return { [value.mime]: value.data };
  if (mime !== undefined) return { [mime]: value };
  if (typeof value?.[BUNDLE] === "function") return value[BUNDLE]();
  if (isBytes(value)) throw new TypeError("say what the bytes are: display(bytes, { mime: ... })");
  if (typeof value !== "object" || value === null) return { "text/plain": String(value) };
  const json = asJson(value);
  return json === undefined ? { "text/plain": String(value) } : { "application/json": json, "text/plain": json };
}

function wire(content) {
  if (typeof content === "string") return content;
  if (isBytes(content)) return JSON.parse(encode(content, Infinity));
  return asJson(content) ?? String(content);
}

const isBytes = (value) => value instanceof ArrayBuffer || (ArrayBuffer.isView(value) && (value.BYTES_PER_ELEMENT ?? 1) === 1);
const asJson = (value) => JSON.stringify(value, (_, item) => (typeof item === "bigint" ? String(item) : item));
