"""Elixir programs. The BEAM takes about a second to start, so there are few."""

from typing import Any

from host.models import Status
from host.testing.program import Program

__all__ = ["PROGRAMS"]


def _p(name: str, code: str, proves: str, **more: Any) -> Program:
    return Program(name=name, language="elixir", code=code, proves=proves, **more)


_VALUES: list[Any] = [None, True, 42, -7, 2**53 - 1, 0.5, [1, ["two"]], []]
_VALUES += ["plain", "", 'it\'s "q" #{x} \\ `id`', "a\nb", "a\0b", "\U0001f600"]

PROGRAMS = (
    _p(
        "values",
        'inputs["values"]',
        "What JSON can say comes back as it went in.",
        inputs={"values": _VALUES},
        value=_VALUES,
    ),
    _p(
        "maps",
        'inputs["map"]',
        "Maps keep their keys, odd ones and those with $ too; Elixir keeps no order, so these are in its own.",
        inputs={"map": {"": 1, "$": 2, "$type": "decimal", "a b": {"c": []}}},
        value={"": 1, "$": 2, "$type": "decimal", "a b": {"c": []}},
    ),
    _p("last-expression", "a = 20\na + 22", "The value is that of the last expression.", value=42),
    _p("result-wins", "result = 1\n_ = result\n2", "An assigned result is the value.", value=1),
    _p("big-int", "Integer.pow(2, 70)", "Big integers are exact.", value=2**70),
    _p(
        "separate-channels",
        'IO.puts("out")\nIO.puts(:stderr, "err")\n"value"',
        "stdout, stderr and value are three channels.",
        value="value",
        stdout="out\n",
        shows=("err",),
    ),
    _p(
        "exception",
        'x = 0\nraise "no such invoice #{x}"\n',
        "An uncaught exception fails the run and names its line.",
        status=(Status.FAILED,),
        says=("no such invoice 0",),
        also=lambda result: (
            None
            if ":2" in result.stderr or "line 2" in result.stderr + result.reason
            else f"no line 2 in {result.stderr!r}"
        ),
    ),
    _p("syntax-error", "x = 1\nif x do\n", "A syntax error fails the run.", status=(Status.FAILED,)),
    _p(
        "halts",
        'IO.puts("a")\nSystem.halt(3)',
        "The exit code is the program's own.",
        status=(Status.FAILED,),
        exit_code=3,
    ),
    _p(
        "endless-loop",
        'IO.puts("partial")\nloop = fn loop -> loop.(loop) end\nloop.(loop)',
        "The wall-clock limit ends an endless loop; what was printed is kept.",
        limits={"max_execution_time": 6000},
        needs=("max_execution_time",),
        status=(Status.TIMED_OUT,),
        stdout="partial\n",
    ),
    _p(
        "memory",
        "Enum.reduce(1..1_000_000_000, [], fn i, acc -> [i | acc] end) |> length()",
        "The memory limit ends it with the right status.",
        limits={"max_memory_mb": 64, "max_execution_time": 20_000},
        needs=("max_memory_mb",),
        status=(Status.OUT_OF_MEMORY,),
    ),
)
