// The types that JavaScript lacks. Programs see each of them as a global name.

const DECIMAL = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?$/;
const SPECIAL_DECIMAL = /^[+-]?(?:s?nan\d*|inf(?:inity)?)$/i;

/** A value that stands for its text: it prints, compares and serialises as that. */
export class Textual {
  #text;
  constructor(text) {
    this.#text = text;
  }
  toString() {
    return this.#text;
  }
  toJSON() {
    return this.#text;
  }
  valueOf() {
    return this.#text;
  }
  [Symbol.for("Deno.customInspect")]() {
    return `${this.constructor.name}(${this})`;
  }
  [Symbol.for("nodejs.util.inspect.custom")]() {
    return `${this.constructor.name}(${this})`;
  }
}

/** An exact decimal number. In plain arithmetic (`a + b`) it counts as a float; plus, minus, times and round are exact. */
export class Decimal extends Textual {
  constructor(value) {
    const text = typeof value === "object" && value !== null ? value.toString() : String(value);
    if (!DECIMAL.test(text) && !SPECIAL_DECIMAL.test(text)) throw new TypeError(`${text} is not a decimal number`);
    super(text);
  }
  valueOf() {
    return this.toNumber();
  }
  toNumber() {
    const text = this.toString();
    return /inf/i.test(text) ? (text[0] === "-" ? -Infinity : Infinity) : Number(text);
  }
  plus(other) {
    const [a, b, places] = aligned(this, other);
    return fromUnits(a + b, places);
  }
  minus(other) {
    const [a, b, places] = aligned(this, other);
    return fromUnits(a - b, places);
  }
  times(other) {
    const [a, b] = [units(this), units(new Decimal(other))];
    return fromUnits(a.digits * b.digits, a.places + b.places);
  }
  /** -1, 0 or 1. */
  compareTo(other) {
    const [a, b] = aligned(this, other);
    return a < b ? -1 : a > b ? 1 : 0;
  }
  /** To so many places after the point; halves go to the even digit, as banks and Python round. */
  round(places = 0) {
    const own = units(this);
    if (own.places <= places) return fromUnits(own.digits * 10n ** BigInt(places - own.places), places);
    const divisor = 10n ** BigInt(own.places - places);
    const size = own.digits < 0n ? -own.digits : own.digits;
    let quotient = size / divisor;
    const twice = (size % divisor) * 2n;
    if (twice > divisor || (twice === divisor && quotient % 2n === 1n)) quotient += 1n;
    return fromUnits(own.digits < 0n ? -quotient : quotient, places);
  }
  toFixed(places = 0) {
    return this.round(places).toString();
  }
}

function units(decimal) {
  const match = DECIMAL.exec(decimal.toString());
  if (!match) throw new RangeError(`${decimal} has no digits to count with`);
  const whole = match[2] ?? "";
  const fraction = match[3] ?? match[4] ?? "";
  const exponent = Number(match[5] ?? 0);
  if (Math.abs(exponent) > 10000) throw new RangeError(`${decimal} is out of range for exact arithmetic`);
  const digits = BigInt(match[1] === "-" ? `-${whole}${fraction}` : whole + fraction);
  const places = fraction.length - exponent;
  return places < 0 ? { digits: digits * 10n ** BigInt(-places), places: 0 } : { digits, places };
}

function aligned(one, two) {
  const [a, b] = [units(one), units(new Decimal(two))];
  const places = Math.max(a.places, b.places);
  return [a.digits * 10n ** BigInt(places - a.places), b.digits * 10n ** BigInt(places - b.places), places];
}

function fromUnits(digits, places) {
  const sign = digits < 0n ? "-" : "";
  const text = String(digits < 0n ? -digits : digits).padStart(places + 1, "0");
  return new Decimal(sign + (places ? `${text.slice(0, -places)}.${text.slice(-places)}` : text));
}

/** A fraction of two BigInts. */
export class Fraction extends Textual {
  constructor(numerator, denominator = 1n) {
    super(`${BigInt(numerator)}/${BigInt(denominator)}`);
    this.numerator = BigInt(numerator);
    this.denominator = BigInt(denominator);
  }
  valueOf() {
    return Number(this.numerator) / Number(this.denominator);
  }
}

/** A complex number. */
export class Complex {
  constructor(re, im = 0) {
    this.re = Number(re);
    this.im = Number(im);
  }
  toString() {
    return `${this.re}${this.im < 0 ? "" : "+"}${this.im}i`;
  }
}

/** A day in the calendar: year, month (from 1), day. Compares by its text; `new Date(day)` is its midnight in UTC. */
export class PlainDate extends Textual {
  constructor(text) {
    super(String(text));
    [this.year, this.month, this.day] = String(text).split("-").map(Number);
  }
}

/** A time of day, with an offset from UTC ("+02:00") or null. */
export class PlainTime extends Textual {
  constructor(text) {
    super(String(text));
    const match = /^(\d+):(\d+)(?::(\d+)(?:\.(\d+))?)?(Z|[+-].*)?$/.exec(text);
    if (!match) throw new TypeError(`${text} is not a time`);
    [this.hour, this.minute, this.second] = [match[1], match[2], match[3] ?? 0].map(Number);
    this.microsecond = Number((match[4] ?? "").padEnd(6, "0").slice(0, 6));
    this.offset = match[5] ?? null;
  }
}

/** A Date that remembers how it was written: offset (null: none was given, counted as UTC) and microseconds. */
export class DateTime extends Date {
  #text;
  #time;
  constructor(text, ...rest) {
    super(typeof text === "string" && rest.length === 0 ? instant(text) : text, ...rest);
    if (typeof text === "string") [this.#text, this.#time] = [text, this.getTime()];
  }
  get offset() {
    return this.#text === undefined ? "+00:00" : (offsetOf(this.#text) ?? null);
  }
  /** As it was given; once a setter has moved it, its instant in UTC (without an offset if it had none). */
  get text() {
    if (this.#text !== undefined && this.#time === this.getTime()) return this.#text;
    return this.offset === null ? dateText(this).slice(0, -6) : dateText(this);
  }
}

const offsetOf = (text) => /(Z|[+-]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)$/.exec(text.slice(10))?.[1];

function instant(text) {
  const offset = offsetOf(text);
  const local = offset === undefined ? text : text.slice(0, -offset.length);
  const time = Date.parse(`${local.replace(" ", "T")}${local.length === 10 ? "T00:00:00" : ""}Z`);
  if (offset === undefined || offset === "Z") return time;
  const [hours, minutes, seconds = 0] = offset.slice(1).split(":").map(Number);
  return time - (offset[0] === "-" ? -1 : 1) * ((hours * 60 + minutes) * 60 + seconds) * 1000;
}

export function dateText(date) {
  return date.toISOString().replace(/(?:\.000)?Z$/, "+00:00");
}

/** A length of time: `seconds`, exact as `microseconds` (a BigInt). As a number it is milliseconds, so a Date can add it. */
export class Duration extends Textual {
  constructor(seconds) {
    const match = /^(-?)PT(\d+)(?:\.(\d{1,6}))?S$/.exec(seconds);
    const micros = match
      ? BigInt(match[2]) * 1000000n + BigInt((match[3] ?? "").padEnd(6, "0"))
      : BigInt(Math.round(Math.abs(Number(seconds)) * 1e6));
    const negative = match ? match[1] === "-" : Number(seconds) < 0;
    super(durationText(negative ? -micros : micros));
    this.microseconds = negative ? -micros : micros;
  }
  get seconds() {
    return Number(this.microseconds) / 1e6;
  }
  valueOf() {
    return Number(this.microseconds) / 1000;
  }
}

export function durationText(micros) {
  const size = micros < 0n ? -micros : micros;
  const rest = size % 1000000n;
  const fraction = rest ? `.${String(rest).padStart(6, "0").replace(/0+$/, "")}` : "";
  return `${micros < 0n ? "-" : ""}PT${size / 1000000n}${fraction}S`;
}

/** Rows under named columns. Iterating gives each row as an object. */
export class Table {
  constructor(columns, rows) {
    this.columns = [...columns];
    this.rows = [...rows].map((row) => [...row]);
    for (const [number, row] of this.rows.entries()) {
      if (row.length === this.columns.length) continue;
      throw new TypeError(`row ${number} of the table has ${row.length} cells for ${this.columns.length} columns`);
    }
  }
  get length() {
    return this.rows.length;
  }
  *[Symbol.iterator]() {
    for (const row of this.rows) yield Object.fromEntries(this.columns.map((name, index) => [name, row[index]]));
  }
}

/** A picture: its MIME type and its bytes. */
export class Image {
  constructor(mime, data) {
    this.mime = mime;
    this.data = data;
  }
}

/** A value without a form of its own: the name of its class and a text about it. */
export class Opaque {
  constructor(className, text) {
    this.className = className;
    this.text = text;
  }
}
