// Typed values in JavaScript and their wire form (JSON with tags), the same in deno and node.
//
// wire type  in JavaScript                    what else goes out as this type
// ---------  -------------------------------  -----------------------------------------------------------
// null       null                             undefined, holes in arrays
// bool       boolean
// int        number; beyond 2^53 BigInt       any BigInt
// float      number (1.0 comes back as 1: JavaScript has one kind of number)
// str        string
// list       Array                            typed arrays other than of bytes; Set or Map that Python cannot hash
// map        plain object; other keys: Map    instances of classes: their own enumerable properties, or toJSON()
// decimal    Decimal (exact; keeps its text)
// fraction   Fraction (two BigInts)
// complex    Complex
// date       PlainDate                        Temporal.PlainDate
// time       PlainTime                        Temporal.PlainTime
// datetime   DateTime, a Date that keeps      Date, Temporal.Instant, ZonedDateTime, PlainDateTime
//            offset and microseconds
// duration   Duration                         Temporal.Duration of days and smaller
// bytes      Uint8Array                       ArrayBuffer, DataView, Buffer
// set        Set
// table      Table
// image      Image
// object     Opaque                           functions, symbols, errors, regular expressions, promises ...

import {
  Complex, DateTime, Decimal, Duration, Fraction, Image, Opaque, PlainDate, PlainTime, Table, Textual, dateText, durationText,
} from "./types.mjs";

const MAX_DEPTH = 100;

// --- from the wire ---------------------------------------------------------------------------------------------------

/** The value behind a wire tree, as JSON.parse gives it. The host made it, so it is well formed. */
export function decode(wire) {
  if (typeof wire !== "object" || wire === null) return wire;
  if (Array.isArray(wire)) return wire.map(decode);
  if (Object.hasOwn(wire, "$type")) return DECODERS[wire.$type](wire);
  const result = {};
  for (const key of Object.keys(wire)) put(result, key[0] === "$" ? key.slice(1) : key, decode(wire[key]));
  return result;
}

function put(object, key, value) {
  if (key !== "__proto__") object[key] = value;
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

const FLOATS = { nan: NaN, inf: Infinity, "-inf": -Infinity };
const DECODERS = {
  int: (wire) => (wire.value[0] === "-" ? -BigInt(wire.value.slice(1)) : BigInt(wire.value)),
  float: (wire) => FLOATS[wire.value],
  str: (wire) => utf16(fromBase64(wire.value)),
  map: (wire) => new Map(wire.value.map(([key, value]) => [decode(key), decode(value)])),
  decimal: (wire) => new Decimal(wire.value),
  fraction: (wire) => new Fraction(...wire.value.split("/")),
  complex: (wire) => new Complex(decode(wire.value[0]), decode(wire.value[1])),
  date: (wire) => new PlainDate(wire.value),
  time: (wire) => new PlainTime(wire.value),
  datetime: (wire) => new DateTime(wire.value),
  duration: (wire) => new Duration(wire.value),
  bytes: (wire) => fromBase64(wire.value),
  set: (wire) => new Set(wire.value.map(decode)),
  table: (wire) => new Table(wire.columns.map(decode), wire.rows.map((row) => row.map(decode))),
  image: (wire) => new Image(wire.mime, fromBase64(wire.value)),
  object: (wire) => new Opaque(wire.class, wire.text),
};

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function utf16(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 2) text += String.fromCharCode(bytes[at] | (bytes[at + 1] << 8));
  return text;
}

// --- to the wire -----------------------------------------------------------------------------------------------------

/** The value cannot be sent; the message says why. */
export class ValueFormatError extends Error {
  name = "ValueFormatError";
}

/** It would take more bytes than the policy lets out. */
export class TooLargeError extends Error {
  name = "TooLargeError";
}

const text = JSON.stringify;
const tag = (name, value) => `{"$type":"${name}","value":${value}}`;
const objectTag = Object.prototype.toString;

/** The wire form of a value, as JSON text of at most `maxBytes` bytes. */
export function encode(value, maxBytes) {
  return write(value, 0, { left: maxBytes, maxBytes });
}

function spend(json, budget) {
  budget.left -= json.length;
  if (budget.left < 0) throw new TooLargeError(`the value takes more than the limit of ${budget.maxBytes} bytes`);
  return json;
}

function write(value, depth, budget) {
  switch (typeof value) {
    case "string":
      return spend(string(value), budget);
    case "number":
      return spend(number(value), budget);
    case "boolean":
      return value ? "true" : "false";
    case "undefined":
      return "null";
    case "bigint":
      return spend(integer(value), budget);
    case "object":
      return value === null ? "null" : compound(value, depth, budget);
    default:
      return spend(opaque(value), budget);
  }
}

function string(value) {
  if (!/[\ud800-\udfff]/.test(value) || isWellFormed(value)) return text(value);
  const bytes = new Uint8Array(value.length * 2);
  for (let at = 0; at < value.length; at++) {
    bytes[2 * at] = value.charCodeAt(at) & 255;
    bytes[2 * at + 1] = value.charCodeAt(at) >> 8;
  }
  return tag("str", text(base64(bytes)));
}

const isWellFormed = (value) => (value.isWellFormed ? value.isWellFormed() : !/\p{Surrogate}/u.test(value));

function number(value) {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? "-0.0" : String(value);
  if (!Number.isFinite(value)) return tag("float", text(String(value).toLowerCase().replace("infinity", "inf")));
  const digits = String(value);
  return /[.e]/.test(digits) ? digits : `${digits}.0`; // past 2^53 it is a float, and has to look like one
}

function integer(value) {
  const safe = value >= -9007199254740991n && value <= 9007199254740991n;
  const size = value < 0n ? -value : value;
  // Decimal conversion is slow for long numbers, and Python refuses it past 4,300 digits.
  const long = size >> 13000n !== 0n;
  return safe ? String(value) : tag("int", text(long ? `${value < 0n ? "-" : ""}0x${size.toString(16)}` : String(value)));
}

function compound(value, depth, budget) {
  if (depth >= MAX_DEPTH) {
    throw new ValueFormatError(`the value is nested deeper than ${MAX_DEPTH} levels, or contains itself`);
  }
  const list = (items, deeper = 1) => `[${items.map((item) => write(item, depth + deeper, budget)).join(",")}]`;
  if (Array.isArray(value)) return list(Array.from(value));
  const known = typed(value, list, budget) ?? temporal(value);
  if (known !== null) return spend(known, budget);
  if (value instanceof Map) return mapping(value, depth, budget);
  if (value instanceof Set) return hashable([...value]) ? sortedSet(value, depth, budget) : list([...value]);
  if (value instanceof Table) {
    const rows = value.rows.map((row) => list(row, 2)).join(",");
    return `{"$type":"table","columns":[${value.columns.map((name) => string(String(name))).join(",")}],"rows":[${rows}]}`;
  }
  if (typeof value.toJSON === "function") return write(value.toJSON(), depth + 1, budget);
  const kind = objectTag.call(value);
  if (kind === "[object Object]" || kind === "[object Arguments]" || kind === "[object Module]") return properties(value, depth, budget);
  return spend(opaque(value), budget);
}

function typed(value, list, budget) {
  if (value instanceof Opaque) return `{"$type":"object","class":${string(String(value.className))},"text":${string(String(value.text))}}`;
  if (value instanceof Decimal) return tag("decimal", text(value.toString()));
  if (value instanceof Fraction) return tag("fraction", text(value.toString()));
  if (value instanceof Complex) return tag("complex", `[${number(value.re)},${number(value.im)}]`);
  if (value instanceof PlainDate) return tag("date", text(value.toString()));
  if (value instanceof PlainTime) return tag("time", text(value.toString()));
  if (value instanceof Duration) return tag("duration", text(value.toString()));
  if (value instanceof Date) return date(value);
  if (value instanceof Image) return `{"$type":"image","mime":${text(String(value.mime))},"value":${text(base64(octets(value.data)))}}`;
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    const isBytes = !ArrayBuffer.isView(value) || value instanceof DataView || value.BYTES_PER_ELEMENT === 1;
    return isBytes && !(value instanceof Int8Array) ? tag("bytes", text(base64(octets(value)))) : list(Array.from(value));
  }
  const boxed = /^\[object (Number|String|Boolean|BigInt)\]$/.test(objectTag.call(value));
  return boxed && typeof value.valueOf() !== "object" ? write(value.valueOf(), 0, budget) : null;
}

function date(value) {
  if (value instanceof DateTime && !Number.isNaN(value.getTime())) return tag("datetime", text(value.text));
  const year = value.getUTCFullYear();
  return year >= 1 && year <= 9999 ? tag("datetime", text(dateText(value))) : opaque(value, "Date");
}

function temporal(value) {
  switch (objectTag.call(value)) {
    case "[object Temporal.PlainDate]":
      return tag("date", text(value.toString({ calendarName: "never" })));
    case "[object Temporal.PlainTime]":
      return tag("time", text(value.toString({ smallestUnit: "microsecond" })));
    case "[object Temporal.PlainDateTime]":
      return tag("datetime", text(value.toString({ smallestUnit: "microsecond", calendarName: "never" })));
    case "[object Temporal.Instant]":
      return tag("datetime", text(value.toString({ smallestUnit: "microsecond" }).replace("Z", "+00:00")));
    case "[object Temporal.ZonedDateTime]":
      return tag("datetime", text(value.toString({ smallestUnit: "microsecond", timeZoneName: "never", calendarName: "never" })));
    case "[object Temporal.Duration]":
      if (value.years || value.months || value.weeks) return opaque(value, "Duration");
      return tag("duration", text(durationText(elapsed(value))));
    default:
      return null;
  }
}

function elapsed(value) {
  const hours = BigInt(value.days) * 24n + BigInt(value.hours);
  const seconds = (hours * 60n + BigInt(value.minutes)) * 60n + BigInt(value.seconds);
  return (seconds * 1000n + BigInt(value.milliseconds)) * 1000n + BigInt(value.microseconds);
}

function mapping(map, depth, budget) {
  const keys = [...map.keys()];
  if (keys.every((key) => typeof key === "string" && isWellFormed(key))) return entries(map, depth, budget);
  const pairs = [...map].map(([key, item]) => `[${write(key, depth + 1, budget)},${write(item, depth + 1, budget)}]`).join(",");
  return hashable(keys) ? tag("map", `[${pairs}]`) : `[${pairs}]`;
}

/** Whether Python can have all of these as keys: no plain objects, Maps or Tables among them. */
function hashable(keys) {
  return keys.every((key) => {
    if (typeof key !== "object" || key === null) return true;
    if (Array.isArray(key) || key instanceof Set) return hashable([...key]);
    return [Textual, Date, Complex, Uint8Array, ArrayBuffer, Image, Opaque].some((type) => key instanceof type);
  });
}

function sortedSet(set, depth, budget) {
  const items = [...set].map((item) => write(item, depth + 1, budget)).sort();
  return tag("set", `[${items.join(",")}]`);
}

function properties(value, depth, budget) {
  const pairs = Object.keys(value).map((key) => [key, value[key]]);
  if (pairs.every(([key]) => isWellFormed(key))) return entries(pairs, depth, budget);
  return mapping(new Map(pairs), depth, budget);
}

function entries(pairs, depth, budget) {
  const parts = [];
  for (const [key, item] of pairs) {
    const name = spend(text(key[0] === "$" ? `$${key}` : key), budget);
    parts.push(`${name}:${write(item, depth + 1, budget)}`);
  }
  return `{${parts.join(",")}}`;
}

function opaque(value, className) {
  let about;
  try {
    about = value instanceof Error ? `${value.name}: ${value.message}` : String(value);
  } catch {
    about = "(its text cannot be had)";
  }
  const name = className ?? (typeof value === "object" ? (value.constructor?.name ?? "Object") : typeof value);
  const clean = (part) => text(String(part).slice(0, 1000).replace(/\p{Surrogate}/gu, "\ufffd"));
  return `{"$type":"object","class":${clean(name)},"text":${clean(about)}}`;
}

const octets = (value) => (value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength));

function base64(bytes) {
  if (bytes.toBase64) return bytes.toBase64();
  let binary = "";
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary);
}
