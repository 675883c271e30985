"""The Python guest: the program behaves as it does under CPython, and its value comes back on a channel of its own."""

import datetime
import subprocess
import sys
from decimal import Decimal

import pytest

from adapters.guest.protocol import unpack
from adapters.guest.python.host import request_frame
from host.models import ExecutionRequest
from host.policy import Policy
from host.values import Opaque, Table


def test_last_expression_is_the_value(run_python):
    """A program that ends with an expression has its value."""
    assert run_python("x = 20\nx * 2 + 2").value == 42


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("x = 1\nx", 1),
        ("x = 1", None),
        ("x = y = 2", None),
        ("x = 1\nx == 1", True),
        ("x = 1; x + 1", 2),
        ("x: int = 1", None),
        ("x = 1\nx += 1", None),
        ("(x := 3)", 3),
        ("text = '''\n1 + 1\n'''", None),
        ("'''\n7\n'''", "\n7\n"),
        ("'''\nx = 7'''", "\nx = 7"),
        ("[1,\n2]", [1, 2]),
        ("len([\n1,\n])", 1),
        ("1 + \\\n1", 2),
        ("if True:\n    5", None),
        ("if True:\n    x = 5\nelse: x = 6", None),
        ("def f():\n    return 3\nf()", 3),
        ("f = lambda x=4: x\nf()", 4),
        ("1\n# the end", 1),
        ("x = 2 # ; not here\nx", 2),
        ("x = 5\r\nx", 5),
        ("x = 5\rx", 5),
        ("\n\n  \n6\n\n", 6),
        ("from __future__ import annotations\nx: Unknown = 1\nx", 1),
        ("import asyncio\nawait asyncio.sleep(0, 8)", 8),
        ("async def f(): return 9\nawait f()", 9),
        ("'a doc string'", "a doc string"),
        ("'a doc string'\n__doc__", "a doc string"),
    ],
)
def test_the_last_statement_has_the_value_where_it_is_an_expression(run_python, code, value):
    """However the program is laid out."""
    ended = run_python(code)
    assert (ended.value, ended.stderr) == (value, "")


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("1\n\n1/0", 3),
        ("x = (\n1/0)", 2),
        ("x = 1\ny = ]", 2),
        ("x = ]\n1", 1),
        ("a = 1\nb = a/0", 2),
        ("def f(:\n1", 1),
    ],
)
def test_errors_are_in_their_lines(run_python, code, line):
    """Whichever statement it is."""
    assert run_python(code).report.error.line == line


def test_result_wins_over_the_last_expression(run_python):
    """The variable result is the value where the program assigns it, whatever comes last."""
    assert run_python("result = 1\n2").value == 1


def test_a_program_without_value_has_none(run_python):
    """Statements alone leave no value."""
    assert run_python("x = 1").value is None


def test_inputs_are_data(run_python):
    """Inputs keep their types, and are names where they can be."""
    inputs = {
        "price": Decimal("9.90"),
        "day": datetime.date(2026, 11, 21),
        "not a name": 1,
        "class": 2,
        "inputs": 3,
        "result": 4,
    }
    ended = run_python(
        "[price, day, inputs['not a name'], inputs['class'], inputs['inputs'], inputs['result']]", inputs
    )
    assert ended.value == [Decimal("9.90"), datetime.date(2026, 11, 21), 1, 2, 3, 4]


def test_odd_keys_stay_in_inputs(run_python):
    """Keys that would break the program's own names are only in the mapping."""
    inputs = {"__import__": 1, "__builtins__": 2, "__name__": 3, 'a"\n': 4, "nul\0": 5, "None": 6}
    ended = run_python("import math\n[__name__, math.pi > 3, sorted(inputs.values()), 'None' in inputs]", inputs)
    assert ended.value == ["__main__", True, [1, 2, 3, 4, 5, 6], True]


def test_composed_identifiers(run_python):
    """A key that Python spells otherwise when it reads source is found under that spelling."""
    assert run_python("ﬁne + é", {"ﬁne": 1, "e\u0301": 2}).value == 3


def test_table_input(run_python):
    """A Table comes in as rows under columns, and iterates as dictionaries."""
    table = Table(["item", "price"], [["tea", Decimal("2.50")], ["cake", Decimal("4.00")]])
    code = "result = [sum(row['price'] for row in t), t.columns, len(t), t]"
    assert run_python(code, {"t": table}).value == [Decimal("6.50"), ["item", "price"], 2, table]


def test_main_is_a_real_module(run_python):
    """Dataclasses, pickle, inspect and the main guard work in the program."""
    code = """
import dataclasses, inspect, pickle, sys
@dataclasses.dataclass
class Point:
    x: int
def double(n):
    return 2 * n
if __name__ == "__main__":
    again = pickle.loads(pickle.dumps(Point(3)))
result = [again == Point(3), inspect.getsource(double), sys.argv, sys.modules["__main__"].double is double]
"""
    assert run_python(code).value == [True, "def double(n):\n    return 2 * n\n", ["program.py"], True]


def test_stdin_is_empty(run_python):
    """The request frame is gone from stdin when the program starts."""
    assert run_python("import sys\nsys.stdin.read()").value == ""


def test_streams_are_utf8_and_in_order(run_python):
    """Both streams carry UTF-8, unbuffered, and stay apart."""
    ended = run_python(
        "import sys\nprint('é', '\\U0001f600', end='')\nprint('oops', file=sys.stderr)\nsys.stdout.buffer.write(b'!')"
    )
    assert (ended.code, ended.stdout, ended.stderr) == (0, "é \U0001f600!", "oops\n")


def test_partial_output_survives_a_kill(run_python):
    """What was printed without a newline is out before the process is killed."""
    ended = run_python("import os, signal\nprint('partial', end='')\nos.kill(os.getpid(), signal.SIGKILL)")
    assert (ended.code, ended.stdout) == (-9, "partial")


def test_traceback_points_at_the_program(run_python):
    """An uncaught exception shows the program's lines and nothing of the guest."""
    ended = run_python("def f(x):\n    return 1 / x\n\nf(0)")
    assert ended.code == 1
    assert 'File "program.py", line 4, in <module>\n    f(0)' in ended.stderr
    assert 'File "program.py", line 2, in f\n    return 1 / x' in ended.stderr
    assert ended.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert "/guest" not in ended.stderr
    assert "main.py" not in ended.stderr
    assert (ended.report.error.type, ended.report.error.message, ended.report.error.line) == (
        "ZeroDivisionError",
        "division by zero",
        2,
    )
    assert ended.report.error.column in (0, 12)


CHAINED = """
def inner():
    raise KeyError("inner")
try:
    inner()
except KeyError as error:
    raise ValueError("outer") from error
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (CHAINED, ["KeyError: 'inner'", "direct cause", "ValueError: outer", "    inner()"]),
        ("def g():\n    yield 1\n    raise ValueError('gen')\nlist(g())", ["    list(g())", "ValueError: gen"]),
        ("import asyncio\nasync def f():\n    raise ValueError('co')\nawait f()", ["    await f()", "ValueError: co"]),
        ("import nothing_like_it", ["    import nothing_like_it", "No module named 'nothing_like_it'"]),
    ],
)
def test_tracebacks_of_every_kind_hide_the_guest(run_python, code, expected):
    """Chained exceptions, generators, coroutines and imports show none of the guest's frames."""
    ended = run_python(code)
    assert ended.code == 1
    for part in expected:
        assert part in ended.stderr
    assert "main.py" not in ended.stderr
    assert "/python/" not in ended.stderr.replace("lib/python", "")


def test_exception_group(run_python):
    """The members of a group have clean tracebacks too."""
    code = """
import sys
if sys.version_info < (3, 11):
    raise SystemExit("no groups")
def one():
    raise ValueError("one")
caught = []
try:
    one()
except ValueError as error:
    caught.append(error)
raise ExceptionGroup("several", caught)
"""
    ended = run_python(code)
    if "no groups" in ended.stderr:
        pytest.skip("this Python has no exception groups")
    assert "ValueError: one" in ended.stderr
    assert '    raise ValueError("one")' in ended.stderr
    assert "main.py" not in ended.stderr


def test_threads_and_finalizers(run_python):
    """Exceptions in threads and finalizers are shown with their line; the program still succeeds, as in CPython."""
    code = """
import threading
def work():
    raise RuntimeError("in a thread")
t = threading.Thread(target=work, name="worker")
t.start()
t.join()
class Bad:
    def __del__(self):
        raise RuntimeError("in a finalizer")
b = Bad()
del b
result = 5
"""
    ended = run_python(code)
    assert ended.value == 5
    assert "Exception in thread worker:" in ended.stderr
    assert '    raise RuntimeError("in a thread")' in ended.stderr
    assert "Exception ignored" in ended.stderr
    assert '    raise RuntimeError("in a finalizer")' in ended.stderr


@pytest.mark.parametrize(
    ("code", "kind", "line"),
    [
        ("x = 1\nif x\n    y", "SyntaxError", 2),
        ("if 1:\nx", "IndentationError", 2),
        ("return 5", "SyntaxError", 1),
        ("x = 1\nawait", "SyntaxError", 2),
        ("a = 'x\0'", "SyntaxError", 1),
        ("def f():\n    nonlocal q", "SyntaxError", 2),
    ],
)
def test_syntax_errors_have_line_and_caret(run_python, code, kind, line):
    """What cannot be compiled is the program's failure, with its line shown."""
    ended = run_python(code)
    assert ended.code == 1
    assert ended.report.error.type == kind
    assert ended.report.error.line == line
    if "\0" not in code:
        assert f'File "program.py", line {line}\n    {code.splitlines()[line - 1].strip()}\n' in ended.stderr
        assert "^" in ended.stderr


@pytest.mark.parametrize(
    ("code", "expected", "stderr"),
    [
        ("import sys\nsys.exit()", 0, ""),
        ("import sys\nsys.exit(3)", 3, ""),
        ("import sys\nsys.exit('bye')", 1, "bye\n"),
        ("exit(256 + 7)", 7, ""),
        ("raise SystemExit(True)", 1, ""),
        ("import os\nos._exit(9)", 9, ""),
        ("raise KeyboardInterrupt", 130, None),
    ],
)
def test_exit_codes(run_python, code, expected, stderr):
    """The process ends with the exit code that CPython has."""
    ended = run_python(code)
    assert ended.code == expected
    if stderr is not None:
        assert ended.stderr == stderr


def test_exit_keeps_the_result(run_python):
    """A program that ends itself with code 0 keeps the result that it assigned."""
    assert run_python("import sys\nresult = 4\nsys.exit(0)").value == 4


def test_atexit_threads_and_finalizers_run_at_the_end(run_python):
    """Threads are joined, then atexit handlers run, then objects are finalized."""
    code = """
import atexit, threading
atexit.register(print, "atexit")
class Last:
    def __del__(self):
        print("finalized")
keep = Last()
threading.Thread(target=lambda: (threading.main_thread().join(), print("thread"))).start()
print("main")
"""
    ended = run_python(code)
    assert ended.stdout == "main\nthread\natexit\nfinalized\n"
    assert ended.code == 0


def test_forked_children_have_no_say(run_python):
    """A child that runs to the end of the program sends no second answer."""
    code = "import os\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nresult = 'parent' if pid else 'child'"
    assert run_python(code).value == "parent"


def test_tracebacks_suggest_names(run_python):
    """A misspelt name gets CPython's suggestion, where that Python makes one."""
    ended = run_python("total = 1\nprint(totl)")
    assert ended.stderr.endswith("NameError: name 'totl' is not defined. Did you mean: 'total'?\n")


def test_deep_recursion(run_python):
    """A program that recurses without end fails with RecursionError."""
    ended = run_python("def f():\n    return f()\nf()")
    assert ended.code == 1
    assert ended.report.error.type == "RecursionError"


def test_memory_error_is_told(run_python):
    """Running out of memory is reported although there is none left."""
    code = """
import resource
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (24 << 20), used + (24 << 20)))
kept = []
while True:
    kept.append("x" * 1000 + str(len(kept)))
"""
    ended = run_python(code)
    assert ended.code == 1
    assert ended.report.error.type == "MemoryError"
    assert ended.report.error.line == 7


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("a = []\na.append(a)\na", "nested deeper than 100 levels, or contains itself"),
        ("'x' * 2_000_000", "it takes 2000002 bytes and the policy lets out 1048576"),
        ("import os\nos.close(3)\n1", "its channel is closed"),
    ],
)
def test_a_value_that_cannot_be_returned_fails_the_program(run_python, code, reason):
    """The program failed, and the reason says why its value cannot be had."""
    ended = run_python(code)
    assert ended.code == 1
    assert reason in ended.stderr
    assert ended.report.value is None


def test_unknown_objects_come_back_by_name(run_python):
    """A value without a form of its own is named by class and repr, even one whose repr fails."""
    code = """
class A:
    def __repr__(self):
        raise ValueError
class B:
    __module__ = 5
    def __repr__(self):
        return "B!"
[A(), B()]
"""
    assert run_python(code).value == [Opaque("A", "<A: repr failed with ValueError>"), Opaque("B", "B!")]


STRICT = Policy(name="strict")
ANY_IMPORT = Policy(name="any", allowed_imports=None)


def test_import_guard_lets_listed_modules_through(run_python):
    """Listed modules work as ever, and so does what the standard library imports for them."""
    code = """
from __future__ import annotations
import math, json
from datetime import datetime
datetime.strptime("2026", "%Y").year
"""
    assert run_python(code, policy=STRICT).value == 2026


def test_import_guard_names_what_is_allowed(run_python):
    """A module that is not listed is an ImportError that says what is."""
    ended = run_python("import math\nimport decimal", policy=STRICT)
    assert ended.report.error.type == "ImportError"
    assert ended.report.error.message == "`decimal` is not in the policy's allowed imports (math, json, datetime)."
    assert ended.report.error.line == 2
    assert ended.stderr == (
        'Traceback (most recent call last):\n  File "program.py", line 2, in <module>\n    import decimal\n'
        "ImportError: `decimal` is not in the policy's allowed imports (math, json, datetime).\n"
    )


@pytest.mark.parametrize(
    ("allowed", "code", "works"),
    [
        (["os"], "import os.path", True),
        (["os.path"], "import os.path", True),
        (["os.path"], "from os import path", True),
        (["os.path"], "import os", False),
        (["os.path"], "from os import system, path", False),
        (["js"], "import json", False),
        ([], "import math", False),
        (["math"], "exec('import os')", False),
        (["math"], "eval(\"__import__('os')\", {})", False),
    ],
)
def test_import_guard_covers_submodules(run_python, allowed, code, works):
    """A listed package allows its submodules; a listed submodule allows no more than itself."""
    ended = run_python(code, policy=Policy(name="p", allowed_imports=tuple(allowed)))
    assert (ended.code == 0) is works


def test_a_missing_package_names_the_remedy(run_python):
    """A module that no environment has says how an operator adds it."""
    remedy = "Add it with `understudy guests add data numpy pandas`."
    ended = run_python("import numpy", environment={"name": "data", "remedy": remedy})
    assert ended.report.error.message == f"No module named 'numpy': it is not in the guest environment `data`. {remedy}"
    assert remedy in ended.stderr


def test_top_level_await(run_python):
    """A program that awaits at top level is run in an event loop."""
    code = "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 7\nx = await f()\nx + 1"
    assert run_python(code).value == 8


def test_exception_hook_of_the_program(run_python):
    """The program's own excepthook is called, as CPython does."""
    code = "import sys\nsys.excepthook = lambda kind, error, tb: print('hook', kind.__name__)\n1 / 0"
    ended = run_python(code)
    assert (ended.code, ended.stdout, ended.stderr) == (1, "hook ZeroDivisionError\n", "")


def test_the_answer_cannot_be_parsed_out_of_stdout(run_python):
    """What the program prints is output, whatever it looks like."""
    ended = run_python('print(\'{"kind":"value","value":1}\')\n2')
    assert ended.value == 2


def test_big_integers_behave_as_in_cpython(run_python):
    """A huge integer is a value, though CPython refuses to print it."""
    assert run_python("10**5000").value == 10**5000
    ended = run_python("import sys\nprint(10**5000 if hasattr(sys, 'set_int_max_str_digits') else int('x'))")
    assert ended.report.error.type == "ValueError"


def test_random_is_fresh(run_python):
    """Two runs draw different numbers."""
    code = "import random, uuid\n[random.random(), str(uuid.uuid4())]"
    assert run_python(code).value != run_python(code).value


def test_a_forked_child_runs_as_a_fresh_process(python_guest, tmp_path):
    """A launcher that imported the guest forks, and the child answers like an interpreter of its own."""
    launcher = f"""
import os, sys
sys.path.insert(0, {str(python_guest)!r})
from python.main import run
frame = sys.stdin.buffer.read()
for _ in range(2):
    child = os.fork()
    if child == 0:
        run(frame, 3)
    assert os.waitpid(child, 0)[1] == 0
"""
    request = ExecutionRequest(code="import random, sys\nprint(__name__, sys.argv)\nrandom.random()")
    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", launcher]
    report = tmp_path / "report"
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" 3> {report}', "sh", *command],
        input=request_frame(request, ANY_IMPORT), capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == b"__main__ ['program.py']\n" * 2
    said = list(unpack(report.read_bytes(), 1000))
    assert [message["kind"] for message in said] == ["value", "done"] * 2
    values = [message["value"] for message in said[::2]]
    assert len(set(values)) == 2


def test_the_guest_starts_without_what_a_program_may_not_need(run_python):
    """json, re, enum, decimal and datetime are imported when a value wants them, for they would double the start."""
    heavy = "import sys; result = sorted({'json', 're', 'enum', 'decimal', 'datetime', 'base64'} & set(sys.modules))"
    assert run_python(heavy, {"a": [1, 2.5, "é"]}).value == []
