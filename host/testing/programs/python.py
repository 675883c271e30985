"""Python programs: channels, ends, limits."""

# ruff: noqa: E501 - programs are data, and read better unbroken

import re
from typing import Any

from host.models import ExecutionResult, Status
from host.testing.program import Program

__all__ = ["PROGRAMS"]

_LONG = "\U0001f600\u00e9x" * 600_000  # 5 MB in UTF-8, and every width of character
_HOSTILE_KEYS: dict[str, Any] = {
    "__import__": 1,
    "__builtins__": {},
    "__name__": "x",
    "__loader__": None,
    "inputs": 5,
    "result": "from the inputs",
    "class": 6,
    "a'b\"c\\": 7,
    "a\nb": 8,
    "a\0b": 9,
    "$type": "decimal",
    "$value": "1",
    "": 10,
    "\U0001f600": 11,
    "\ud800": 12,
    "import os; os.abort()": 13,
    "caf\u00e9": 14,
    "cafe\u0301": 15,
}
_FORGED = (
    "import json, os, struct\n"
    "for fd in range({low}, 256):\n"
    "    for message in ({{'kind': 'outcome', 'status': 'succeeded', 'exit_code': 0, 'exit': 0}}, {{'status': 'succeeded'}}):\n"
    "        body = json.dumps(message).encode()\n"
    "        try:\n"
    "            os.write(fd, struct.pack('>I', len(body)) + body)\n"
    "        except OSError:\n"
    "            pass\n"
)


def _one_file_in_traceback(result: ExecutionResult) -> str | None:
    files = set(re.findall(r'File "([^"]+)"', result.stderr))
    return (
        None if len(files) == 1 else f"the traceback names {sorted(files)}; it should name the program and nothing else"
    )


def _p(name: str, code: str, proves: str, **more: Any) -> Program:
    return Program(name=name, language="python", code=code, proves=proves, **more)


_CHANNELS = (
    _p("last-expression", "a = 20\na + 22", "Without a result the value is that of the last expression.", value=42),
    _p("result-wins", "result = 1\n2", "An assigned result is the value, whatever the last expression is.", value=1),
    _p("no-value", "x = 1", "A program without either has the value None.", value=None),
    _p(
        "plain-names",
        "result = price * amount",
        "Inputs are plain names too.",
        inputs={"price": 3, "amount": 4},
        value=12,
    ),
    _p(
        "hostile-keys",
        "import math\nresult = [math.floor(2.5), {key: value for key, value in inputs.items()}]",
        "Keys of inputs cannot break out of their channel or break the guest.",
        inputs=_HOSTILE_KEYS,
        value=[2, _HOSTILE_KEYS],
    ),
    _p(
        "five-megabytes",
        'text = inputs["text"]\nresult = [len(text), text[:3], text[-3:]]',
        "An input of 5 MB arrives whole.",
        inputs={"text": _LONG},
        value=[len(_LONG), _LONG[:3], _LONG[-3:]],
    ),
    _p(
        "separate-channels",
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nresult = 'value'",
        "stdout, stderr and value are three channels.",
        value="value",
        stdout="out\n",
        shows=("err",),
    ),
    _p(
        "prints-json",
        'print(\'{"kind": "value", "value": 666}\')\nresult = 1',
        "JSON on stdout is text, not a value.",
        value=1,
        stdout='{"kind": "value", "value": 666}\n',
    ),
    _p(
        "prints-frames",
        'import os, struct\nbody = b\'{"kind":"value","value":666}\'\nos.write(1, struct.pack(">I", len(body)) + body)\nresult = 1',
        "A forged frame on stdout is text, not a value.",
        value=1,
        shows=('"value":666',),
    ),
    _p(
        "unflushed",
        "import sys\nsys.stdout.write('no newline')\nresult = 1",
        "Output that was not flushed is kept.",
        stdout="no newline",
    ),
    _p(
        "bytes-on-stdout",
        "import sys\nsys.stdout.buffer.write(b'a\\xff\\xfeb')\nsys.stdout.flush()\nresult = 1",
        "Bytes that are not UTF-8 do no harm.",
        value=1,
        also=lambda result: None if result.stdout[:1] + result.stdout[-1:] == "ab" else f"stdout is {result.stdout!r}",
    ),
    _p("reads-stdin", "import sys\nresult = sys.stdin.read()", "stdin is empty and at its end.", value=""),
    _p(
        "closes-1-and-2",
        "import os\nos.close(1)\nos.close(2)\nresult = 'still here'",
        "A program that closes stdout and stderr keeps its value.",
        value="still here",
    ),
    _p(
        "closes-all",
        "import os\nos.closerange(0, 256)\nresult = 1",
        "A program that closes every descriptor ends by itself, and the wall stays whole.",
        status=(Status.SUCCEEDED, Status.FAILED, Status.KILLED),
    ),
    _p(
        "garbage-reports",
        "import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'\\xff' * 5000)\n    except OSError:\n        pass\nresult = 1",
        "Garbage on the report channel spoils the program's own answer and nothing else.",
        status=(Status.SUCCEEDED, Status.FAILED),
    ),
    _p(
        "forged-outcome",
        _FORGED.format(low=3) + "os._exit(7)",
        "A program cannot forge how it ended.",
        status=(Status.FAILED,),
        exit_code=7,
    ),
    _p(
        "many-reports",
        "result = [list(range(100)) for _ in range(100)]",
        "A value larger than a pipe arrives whole.",
        value=[list(range(100)) for _ in range(100)],
    ),
    _p(
        "too-deep",
        "x = []\nfor _ in range(500):\n    x = [x]\nresult = x",
        "A value nested too deeply is the program's failure, said in words.",
        status=(Status.FAILED,),
        says=("deep", "nested"),
    ),
    _p(
        "unknown-object",
        "class Invoice:\n    def __repr__(self):\n        return '<Invoice 7>'\nresult = Invoice()",
        "What has no wire form comes back as its class and its repr.",
        also=lambda result: (
            None if result.value_type == "object" and "Invoice 7" in result.value.text else f"value is {result.value!r}"
        ),
    ),
)

_ENDS = (
    _p(
        "exception",
        "def f(x):\n    return 1 / x\n\nf(0)\n",
        "An uncaught exception fails the run; its traceback points at the caller's lines and shows none of ours.",
        status=(Status.FAILED,),
        says=("zerodivisionerror",),
        shows=("line 2", "line 4", "ZeroDivisionError"),
        also=_one_file_in_traceback,
    ),
    _p(
        "chained-exception",
        "try:\n    {}['k']\nexcept KeyError as error:\n    raise ValueError('bad') from error",
        "A chained traceback is whole and still shows none of ours.",
        status=(Status.FAILED,),
        says=("valueerror", "bad"),
        shows=("KeyError", "line 2", "line 4"),
        also=_one_file_in_traceback,
    ),
    _p(
        "raises-late",
        "print('before')\nresult = 5\nraise RuntimeError('late')",
        "What was printed before an exception is kept.",
        status=(Status.FAILED,),
        says=("late",),
        stdout="before\n",
    ),
    _p(
        "syntax-error",
        "x = 1\nif x\n    pass\n",
        "A syntax error fails the run and names its line.",
        status=(Status.FAILED,),
        says=("line 2",),
    ),
    _p("exit-0", "import sys\nprint('a')\nsys.exit(0)", "sys.exit(0) succeeds.", exit_code=0, stdout="a\n"),
    _p("exit-none", "import sys\nsys.exit()", "sys.exit() succeeds.", exit_code=0),
    _p(
        "exit-3", "import sys\nsys.exit(3)", "The exit code is the program's own.", status=(Status.FAILED,), exit_code=3
    ),
    _p(
        "exit-text",
        "raise SystemExit('no such invoice')",
        "sys.exit with a text prints it to stderr and ends with 1.",
        status=(Status.FAILED,),
        exit_code=1,
        shows=("no such invoice",),
    ),
    _p(
        "hard-exit",
        "import os\nprint('x', flush=True)\nos._exit(9)",
        "os._exit ends it with its code.",
        status=(Status.FAILED,),
        exit_code=9,
    ),
    _p("hard-exit-0", "import os\nos._exit(0)", "os._exit(0) is a success without a value.", exit_code=0, value=None),
    _p(
        "kills-itself",
        "import os\nprint('last words', flush=True)\nos.kill(os.getpid(), 9)",
        "A program that a signal ends is killed, with the signal's name, and its output is kept.",
        status=(Status.KILLED,),
        signal="SIGKILL",
        stdout="last words\n",
    ),
    _p(
        "segfault",
        "import ctypes\nctypes.string_at(0)",
        "A crash is killed by SIGSEGV.",
        status=(Status.KILLED,),
        signal="SIGSEGV",
    ),
    _p("abort", "import os\nos.abort()", "An abort is killed by SIGABRT.", status=(Status.KILLED,), signal="SIGABRT"),
    _p(
        "recursion",
        "def f():\n    return f()\nf()",
        "Endless recursion is an ordinary exception.",
        status=(Status.FAILED,),
        says=("recursion",),
    ),
    _p(
        "leaves-thread",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\nresult = 1",
        "A daemon thread does not hold the run.",
        value=1,
    ),
    _p(
        "leaves-daemon",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n    os._exit(0)\nresult = 1",
        "A daemon in a session of its own dies with the run.",
        value=1,
    ),
)

_LIMITS = (
    _p(
        "endless-loop",
        "import sys\nprint('partial')\nsys.stdout.flush()\nwhile True:\n    pass",
        "The wall-clock limit ends an endless loop; what was printed is kept.",
        limits={"max_execution_time": 1500},
        needs=("max_execution_time",),
        status=(Status.TIMED_OUT,),
        stdout="partial\n",
        says=("time", "1500", "1.5"),
    ),
    _p(
        "sleeps",
        "import time\nprint('unflushed partial')\ntime.sleep(600)",
        "A sleeping program is ended too, and what it had printed without a flush is kept.",
        limits={"max_execution_time": 1500},
        needs=("max_execution_time",),
        status=(Status.TIMED_OUT,),
        stdout="unflushed partial\n",
    ),
    _p(
        "ignores-signals",
        "import signal\nfor number in range(1, 65):\n    try:\n        signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError):\n        pass\nwhile True:\n    pass",
        "A program that ignores every signal is ended all the same.",
        limits={"max_execution_time": 1500},
        needs=("max_execution_time",),
        status=(Status.TIMED_OUT,),
    ),
    _p(
        "cpu-time",
        "while True:\n    pass",
        "The limit of CPU time ends it before the wall clock does.",
        limits={"max_cpu_time": 1000, "max_execution_time": 20_000},
        needs=("max_cpu_time",),
        status=(Status.TIMED_OUT,),
        says=("cpu",),
    ),
    _p(
        "memory",
        "print('start', flush=True)\nkept = []\nwhile True:\n    kept.append(b'x' * (1 << 22))",
        "The memory limit ends it with the right status; what was printed is kept.",
        limits={"max_memory_mb": 64},
        needs=("max_memory_mb",),
        status=(Status.OUT_OF_MEMORY,),
        stdout="start\n",
        says=("memory", "64"),
    ),
    _p(
        "one-big-block",
        "x = bytearray(1 << 33)\nresult = len(x)",
        "One allocation far over the limit is out of memory as well.",
        limits={"max_memory_mb": 64},
        needs=("max_memory_mb",),
        status=(Status.OUT_OF_MEMORY,),
    ),
    _p(
        "output-flood",
        "while True:\n    print('x' * 1000)",
        "Output over the limit ends the run; what fits is kept and marked as cut.",
        limits={"max_output_bytes": 20_000},
        needs=("max_output_bytes",),
        status=(Status.OUTPUT_LIMIT,),
        truncated=True,
        says=("output", "20000", "20,000"),
        also=lambda result: (
            None if 10_000 <= len(result.stdout) <= 20_000 else f"{len(result.stdout)} bytes of stdout were kept"
        ),
    ),
    _p(
        "stderr-flood",
        "import sys\nwhile True:\n    sys.stderr.write('x' * 1000)",
        "The limit counts stderr too.",
        limits={"max_output_bytes": 20_000},
        needs=("max_output_bytes",),
        status=(Status.OUTPUT_LIMIT,),
        truncated=True,
    ),
    _p(
        "value-flood",
        "print('seen')\nresult = 'x' * 100_000",
        "The limit counts the value too.",
        limits={"max_output_bytes": 20_000},
        needs=("max_output_bytes",),
        status=(Status.OUTPUT_LIMIT,),
        stdout="seen\n",
    ),
    _p(
        "output-at-the-limit",
        "import sys\nsys.stdout.write('x' * 15_000)\nresult = 1",
        "Output below the limit is whole.",
        limits={"max_output_bytes": 20_000},
        stdout="x" * 15_000,
        truncated=False,
        value=1,
    ),
    _p(
        "processes",
        "import os, time\nstarted = 0\ntry:\n    for _ in range(100):\n        if os.fork() == 0:\n            time.sleep(600)\n"
        "        started += 1\nexcept OSError:\n    pass\nresult = started",
        "The limit of processes holds.",
        limits={"max_processes": 8},
        needs=("max_processes",),
        also=lambda result: (
            None if isinstance(result.value, int) and result.value <= 8 else f"{result.value} processes were started"
        ),
    ),
    _p(
        "file-bytes",
        "written = 0\ntry:\n    with open('big', 'wb', buffering=0) as file:\n        for _ in range(64):\n"
        "            written += file.write(b'x' * (1 << 18))\nexcept OSError:\n    pass\nresult = written",
        "The work folder takes no more bytes than it may.",
        limits={"max_file_bytes": 1 << 20},
        needs=("max_file_bytes", "file_system_access"),
        also=lambda result: (
            None if isinstance(result.value, int) and result.value <= 1 << 20 else f"{result.value} bytes were written"
        ),
    ),
    _p(
        "file-count",
        "made = 0\ntry:\n    for number in range(200):\n        open(f'f{number}', 'w').close()\n        made += 1\n"
        "except OSError:\n    pass\nresult = made",
        "The work folder takes no more files than it may.",
        limits={"max_files": 20},
        needs=("max_files", "file_system_access"),
        also=lambda result: (
            None if isinstance(result.value, int) and result.value <= 20 else f"{result.value} files were made"
        ),
    ),
    _p(
        "import-guard",
        "import math\nprint(math.floor(2.5))\nimport socket\n",
        "A module that is not allowed is not imported, and the error names it.",
        limits={"allowed_imports": ("math",)},
        status=(Status.FAILED,),
        stdout="2\n",
        shows=("socket", "line 3"),
    ),
    _p(
        "import-guard-transitive",
        "import json, datetime\nresult = json.loads(json.dumps({'a': 1}))",
        "An allowed module may import what it needs itself.",
        limits={"allowed_imports": ("json", "datetime")},
        value={"a": 1},
    ),
)

PROGRAMS = (*_CHANNELS, *_ENDS, *_LIMITS)
