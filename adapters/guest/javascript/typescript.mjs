// TypeScript without its types, for sessions: there a command is a script, and a runtime takes types out of modules only.
import { stripTypeScriptTypes } from "node:module";

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const MAP = "\n//# sourceMappingURL=data:application/json;base64,";

/** JavaScript, and the way back from its lines and columns, which count from 1. Types alone leave blanks, so that nothing moves. */
export function withoutTypes(text) {
  try {
    return { text: stripTypeScriptTypes(text, { mode: "strip" }), back: (line, column) => [line, column] };
  } catch (error) {
    if (error.code !== "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") throw placed(error);
  }
  try { // enums and the like become code of their own
    const made = stripTypeScriptTypes(text, { mode: "transform", sourceMap: true });
    const at = made.lastIndexOf(MAP);
    return { text: made.slice(0, at), back: wayBack(JSON.parse(atob(made.slice(at + MAP.length))).mappings) };
  } catch (error) {
    throw placed(error);
  }
}

/** A syntax error with the place that its message names, and without the picture of the line. */
function placed(error) {
  const match = /:(\d+):(\d+)\s*$/.exec(error.message);
  const plain = new SyntaxError(error.message.split("\n")[0].replace(/^SyntaxError: /, "").replace(/ at file:.*$/, ""));
  return Object.assign(plain, { stack: "", place: match && { line: Number(match[1]), column: Number(match[2]) } });
}

/** What the `mappings` of a source map say: for a place in the code that was made, the last one before it that is known. */
function wayBack(mappings) {
  const lines = [];
  let [line, column] = [0, 0];
  for (const text of mappings.split(";")) {
    const known = [];
    let made = 0;
    for (const segment of text.split(",").filter(Boolean)) {
      const numbers = decoded(segment);
      made += numbers[0];
      if (numbers.length < 4) continue;
      line += numbers[2];
      column += numbers[3];
      known.push([made + 1, line + 1, column + 1]);
    }
    lines.push(known);
  }
  return (number, place) => {
    const found = (lines[number - 1] ?? []).findLast(([made]) => made <= place);
    return found ? [found[1], found[2]] : [number, place];
  };
}

/** Numbers in base 64, five bits a digit, the sixth for "more to come", the lowest of all for the sign. */
function decoded(segment) {
  const numbers = [];
  let [value, shift] = [0, 0];
  for (const digit of segment) {
    const bits = DIGITS.indexOf(digit);
    value |= (bits & 31) << shift;
    shift += 5;
    if (bits & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return numbers;
}
