"""Bash programs. Inputs are the members of the array ``inputs``, as text; the value is what ``result`` holds."""

from typing import Any

from host.models import Status
from host.testing.program import Program

__all__ = ["PROGRAMS"]


def _p(name: str, code: str, proves: str, **more: Any) -> Program:
    return Program(name=name, language="bash", code=code, proves=proves, **more)


_NASTY = "a 'b' \"c\" `id` $(id) $HOME ; & | > < * ? [x] ~ \\ !! \n\ttab \U0001f600 \x01"

PROGRAMS = (
    _p("result", "result=$((20 + 22))", "The variable result is the value, as text.", value="42"),
    _p("no-value", "x=1", "A program without a result has the value None.", value=None),
    _p(
        "inputs",
        'result="${inputs[name]} costs ${inputs[price]}"',
        "Inputs are an array.",
        inputs={"name": "tea", "price": 3},
        value="tea costs 3",
    ),
    _p(
        "hostile-value",
        'result="${inputs[text]}"',
        "A value is data, never words of the shell.",
        inputs={"text": _NASTY},
        value=_NASTY,
    ),
    _p(
        "hostile-keys",
        'result="${inputs[ok]} ${#inputs[@]} $(printf fine)"',
        "Keys that the shell itself uses, or that are no names, do no harm.",
        inputs={
            "ok": "fine",
            "PATH": "/nowhere",
            "BASH_ENV": "/etc/passwd",
            "LD_PRELOAD": "x.so",
            "IFS": "o",
            "BASH_FUNC_echo%%": "() { :; }",
            "a b": 1,
            "$(id)": 2,
            "x;id": 4,
        },
        value="fine 9 fine",
    ),
    _p(
        "separate-channels",
        "echo out; echo err >&2; result=value",
        "stdout, stderr and value are three channels.",
        value="value",
        stdout="out\n",
        shows=("err",),
    ),
    _p("reads-stdin", 'result="[$(cat)]"', "stdin is empty and at its end.", value="[]"),
    _p(
        "exit-3",
        "echo a; exit 3",
        "The exit code is the program's own.",
        status=(Status.FAILED,),
        exit_code=3,
        stdout="a\n",
    ),
    _p(
        "last-status",
        "true\nfalse",
        "The last command's status is the program's.",
        status=(Status.FAILED,),
        exit_code=1,
    ),
    _p(
        "syntax-error",
        "echo a\nif then fi\n",
        "A syntax error fails the run and names its line.",
        status=(Status.FAILED,),
        also=lambda result: None if "line 2" in result.stderr + result.reason else f"no line 2 in {result.stderr!r}",
    ),
    _p(
        "kills-itself",
        "kill -9 $$",
        "A program that a signal ends is killed.",
        status=(Status.KILLED,),
        signal="SIGKILL",
    ),
    _p(
        "endless-loop",
        "echo partial\nwhile :; do :; done",
        "The wall-clock limit ends an endless loop; what was printed is kept.",
        limits={"max_execution_time": 1500},
        needs=("max_execution_time",),
        status=(Status.TIMED_OUT,),
        stdout="partial\n",
    ),
    _p(
        "cpu-time",
        "while :; do :; done",
        "The limit of CPU time ends it before the wall clock does.",
        limits={"max_cpu_time": 1000, "max_execution_time": 20_000},
        needs=("max_cpu_time",),
        status=(Status.TIMED_OUT,),
        says=("cpu",),
    ),
    _p(
        "memory",
        "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done",
        "The memory limit ends it with the right status.",
        limits={"max_memory_mb": 64},
        needs=("max_memory_mb",),
        status=(Status.OUT_OF_MEMORY,),
    ),
    _p(
        "output-flood",
        "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done",
        "Output over the limit ends the run; what fits is kept and marked as cut.",
        limits={"max_output_bytes": 20_000},
        needs=("max_output_bytes",),
        status=(Status.OUTPUT_LIMIT,),
        truncated=True,
    ),
    _p(
        "processes",
        "count=0; for i in $(seq 100); do sleep 600 & count=$((count + 1)); done 2>/dev/null; result=$count",
        "The limit of processes holds.",
        limits={"max_processes": 8, "max_execution_time": 1500},
        needs=("max_processes",),
        status=(Status.SUCCEEDED, Status.FAILED, Status.TIMED_OUT),
        also=lambda result: (
            None if result.value is None or int(result.value) <= 8 else f"{result.value} processes were started"
        ),
    ),
    _p("background", "sleep 600 & disown; result=1", "What runs in the background dies with the run.", value="1"),
)
