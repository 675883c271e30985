"""JavaScript and TypeScript programs. Every JavaScript program runs as TypeScript too."""

# ruff: noqa: E501 - programs are data, and read better unbroken

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from host.models import Status
from host.testing.program import Program

__all__ = ["PROGRAMS"]

_LONG = "\U0001f600\u00e9x" * 600_000
_HOSTILE_KEYS: dict[str, Any] = {
    "constructor": 1,
    "prototype": 2,
    "toString": 3,
    "inputs": 4,
    "result": 5,
    "globalThis": 6,
    "a'b\"c\\`${x}": 7,
    "a\nb": 8,
    "a\0b": 9,
    "$type": "decimal",
    "$value": "1",
    "": 10,
    "\U0001f600": 11,
    "</script>": 12,
    "\u2028": 13,
}


def _p(name: str, code: str, proves: str, **more: Any) -> Program:
    return Program(name=name, language="javascript", code=code, proves=proves, **more)


_BOTH = (
    _p(
        "last-expression",
        "const a = 20;\na + 22",
        "Without a result the value is that of the last expression.",
        value=42,
    ),
    _p("result-wins", "result = 1;\n2", "An assigned result is the value, whatever the last expression is.", value=1),
    _p("bigint", "result = 2n ** 70n", "A BigInt is an integer.", value=2**70),
    _p(
        "map-and-set",
        "result = [new Map([[1, 'one']]), new Set([1, 2])]",
        "Map and Set keep their types.",
        value=[{1: "one"}, {1, 2}],
    ),
    _p("bytes", "result = new Uint8Array([0, 255])", "A Uint8Array is bytes.", value=b"\x00\xff"),
    _p(
        "hostile-keys",
        "result = Object.keys(inputs).sort().map((key) => inputs[key]).reduce((a, b) => a + (typeof b === 'number' ? b : 0), 0)",
        "Keys of inputs cannot break out of their channel or break the guest.",
        inputs=_HOSTILE_KEYS,
        value=sum(value for value in _HOSTILE_KEYS.values() if isinstance(value, int)),
    ),
    _p(
        "proto-key",
        "result = [({}).polluted === undefined, Object.keys(inputs)]",
        "The key __proto__ pollutes no prototype.",
        inputs={"__proto__": {"polluted": True}},
        value=[True, ["__proto__"]],
    ),
    _p(
        "five-megabytes",
        "result = [inputs.text.length, inputs.text.slice(-1)]",
        "An input of 5 MB arrives whole.",
        inputs={"text": _LONG},
        value=[len(_LONG.encode("utf-16-le")) // 2, "x"],
    ),
    _p(
        "separate-channels",
        "console.log('out'); console.error('err'); result = 'value'",
        "stdout, stderr and value are three channels.",
        value="value",
        stdout="out\n",
        shows=("err",),
    ),
    _p(
        "prints-json",
        'console.log(\'{"kind": "value", "value": 666}\'); result = 1',
        "JSON on stdout is text, not a value.",
        value=1,
        stdout='{"kind": "value", "value": 666}\n',
    ),
    _p(
        "patches-builtins",
        "JSON.stringify = () => '\"forged\"'; Array.prototype.map = () => []; Object.prototype.toJSON = () => 0; result = [1, 2]",
        "A program that patches the built-ins spoils its own answer at worst.",
        status=(Status.SUCCEEDED, Status.FAILED),
    ),
    _p(
        "exception",
        "function f() {\n  throw new RangeError('too far');\n}\nf();\n",
        "An uncaught exception fails the run; its trace points at the caller's lines and shows none of ours.",
        status=(Status.FAILED,),
        says=("too far",),
        shows=("RangeError", ":2:", ":4:"),
        hides=("guest", "/usr/", "ext:"),
    ),
    _p("throws-nothing", "throw null", "Even null can be thrown.", status=(Status.FAILED,)),
    _p(
        "rejection",
        "Promise.reject(new Error('nobody caught it'))",
        "An unhandled rejection fails the run.",
        status=(Status.FAILED,),
        says=("nobody caught it",),
    ),
    _p(
        "top-level-await",
        "const x = await Promise.resolve(41);\nresult = x + 1",
        "await works at the top level.",
        value=42,
    ),
    _p(
        "syntax-error",
        "const a = 1;\nconst b = ;\n",
        "A syntax error fails the run.",
        status=(Status.FAILED,),
        also=lambda result: None if "2" in result.reason + result.stderr else f"no line in {result.reason!r}",
    ),
    _p(
        "exit-3",
        "console.log('a'); process.exit(3)",
        "The exit code is the program's own.",
        status=(Status.FAILED,),
        exit_code=3,
        stdout="a\n",
    ),
    _p("exit-0", "process.exit(0)", "exit(0) succeeds.", exit_code=0),
    _p(
        "endless-loop",
        "console.log('partial');\nwhile (true) {}",
        "The wall-clock limit ends an endless loop; what was printed is kept.",
        limits={"max_execution_time": 2500},
        needs=("max_execution_time",),
        status=(Status.TIMED_OUT,),
        stdout="partial\n",
        says=("time", "2500", "2.5"),
    ),
    _p(
        "waits-for-ever",
        "setInterval(() => {}, 1000); await new Promise(() => {})",
        "A program that waits for ever is ended.",
        limits={"max_execution_time": 2500},
        needs=("max_execution_time",),
        status=(Status.TIMED_OUT,),
    ),
    _p(
        "cpu-time",
        "while (true) {}",
        "The limit of CPU time ends it before the wall clock does.",
        limits={"max_cpu_time": 1000, "max_execution_time": 20_000},
        needs=("max_cpu_time",),
        status=(Status.TIMED_OUT,),
        says=("cpu",),
    ),
    _p(
        "heap",
        "console.log('start'); const kept = []; while (true) kept.push(new Array(100_000).fill(Math.random()))",
        "The memory limit ends a program that fills its heap.",
        limits={"max_memory_mb": 64},
        needs=("max_memory_mb",),
        status=(Status.OUT_OF_MEMORY,),
        stdout="start\n",
    ),
    _p(
        "output-flood",
        "while (true) console.log('x'.repeat(1000))",
        "Output over the limit ends the run; what fits is kept and marked as cut.",
        limits={"max_output_bytes": 20_000},
        needs=("max_output_bytes",),
        status=(Status.OUTPUT_LIMIT,),
        truncated=True,
        says=("output", "20000", "20,000"),
    ),
    _p(
        "value-flood",
        "result = 'x'.repeat(100_000)",
        "The limit counts the value too.",
        limits={"max_output_bytes": 20_000},
        needs=("max_output_bytes",),
        status=(Status.OUTPUT_LIMIT,),
    ),
)

_TYPESCRIPT = (
    Program(
        name="types",
        language="typescript",
        code="interface Item { price: number; amount: number }\nconst item = inputs.item as Item;\n"
        "const total = <T extends Item>(x: T): number => x.price * x.amount;\nresult = total(item)",
        proves="Types are stripped and the program runs.",
        inputs={"item": {"price": 3, "amount": 4}},
        value=12,
    ),
    Program(
        name="enum",
        language="typescript",
        code="enum Level { Low = 1, High = 5 }\nresult = [Level.High, Level[1]]",
        proves="Enums, which are more than types, work.",
        value=[5, "Low"],
    ),
    Program(
        name="trace",
        language="typescript",
        code="interface A {\n  b: number\n}\n\nfunction f(a: A): never {\n  throw new Error('no ' + a.b);\n}\nf({ b: 1 });\n",
        proves="A trace points at the lines of the TypeScript source.",
        status=(Status.FAILED,),
        says=("no 1",),
        shows=(":6:", ":8:"),
    ),
)


def _all() -> Iterator[Program]:
    for program in _BOTH:
        yield program
        yield replace(program, language="typescript")
    yield from _TYPESCRIPT


PROGRAMS = tuple(_all())
