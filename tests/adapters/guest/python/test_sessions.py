"""Sessions of the Python guest: what a command leaves behind is there for the next, and nothing but the end ends it."""

import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.guest.python.host import request_frame
from host.models import ExecutionRequest
from host.policy import Policy

ANY_IMPORT = Policy(name="any", allowed_imports=None)
STRICT = Policy(name="strict")


@pytest.fixture
def open_python(open_live, python_guest, tmp_path):
    """Start sessions: ``open_python() -> run(code, inputs, policy) -> Ended``; ``run.live`` is the session."""

    def start():
        program = os.environ.get("GUEST_PYTHON", sys.executable)
        command = [program, "-I", "-S", "-X", "utf8", "-u", str(python_guest / "python" / "main.py"), "session"]
        live = open_live(command, tmp_path)

        def run(code, inputs=None, policy=ANY_IMPORT, **extra):
            return live.command(request_frame(ExecutionRequest(code=code, inputs=inputs or {}), policy, **extra))

        run.live = live
        return run

    return start


@pytest.fixture
def run(open_python):
    """One session."""
    return open_python()


def test_what_a_command_makes_stays(run):
    """Variables, functions, classes, imports, annotations of the future and the work folder are there later."""
    run("from __future__ import annotations\nimport os, math\nx = 20\ndef add(n):\n    return x + n")
    run("class Point:\n    def __init__(self, x: Undefined):\n        self.x = x\nos.mkdir('sub'); os.chdir('sub')")
    run("x = 40\ndef later(a: Undefined): pass")
    assert run("[add(2), Point(1).x, math.floor(2.5), os.path.basename(os.getcwd())]").value == [42, 1, 2, "sub"]
    assert run("import __main__\n__main__.add is add and __name__").value == "__main__"


def test_done_follows_the_reports_of_each_command(run):
    """Value or error come first, what was printed is out, and the session goes on."""
    first = run("print('a', end='')\n1")
    assert (first.stdout, [report["kind"] for report in first.reports], first.exit_code) == ("a", ["value"], 0)
    second = run("import sys\nprint('b', file=sys.stderr)\n1 / 0")
    assert (second.stderr[:2], [report["kind"] for report in second.reports], second.exit_code) == ("b\n", ["error"], 1)
    last = run.live.finish()
    assert (last.exit_code, last.stdout, last.stderr, last.reports) == (0, "", "", [])


@pytest.mark.parametrize(
    ("commands", "value"),
    [
        (["result = 1", "2"], 2),
        (["result = 1", "result"], 1),
        (["result = 5", "result = 5\n6"], 5),
        (["result = 5", "if False:\n    result = 5\n6"], 6),
        (["result = 5", "for result in [5]:\n    pass\n6"], 5),
        (["result = 5", "for result in []:\n    pass\n6"], 6),
        (["result = 5", "[result for result in [5]]"], [5]),
        (["result = 5", "print(result := 5)"], 5),
        (["result = 5", "def f():\n    global result\n    result = 5", "f()\n6"], 5),
        (["result = 5", "def f():\n    result = 5\nf()\n6"], 6),
        (["result = 5", "class A:\n    result = 5\n6"], 6),
        (["result = 5", "try:\n    result = 1 / 0\nexcept ZeroDivisionError:\n    pass\n6"], 6),
        (["result = 5", "try:\n    1 / 0\nexcept ZeroDivisionError:\n    result = 5\n6"], 5),
        (["result = 5", "while (result := 5) != 5:\n    pass\n6"], 5),
        (["result = 5", "match 5:\n    case result:\n        pass\n6"], 5),
        (["result = 5", "result: int\n6"], 6),
        (["result = 5", "del result\n6"], 6),
        (["result = 5", "exec('result = 7')\n6"], 7),
        (["result = []", "result += [1]\n6"], [1]),
        (["result = []", "result.append(1)\n6"], 6),
        (["import math as result", "import math as result\nresult = 3\n6"], 3),
        (["result = 1", ""], None),
        (["1", "x = 2"], None),
    ],
)
def test_the_value_of_a_command_is_its_own(run, commands, value):
    """`result` is the value where this very command assigned it, be it the same object, else its last expression is."""
    for command in commands[:-1]:
        run(command)
    ended = run(commands[-1])
    if commands[-1].startswith("match") and ended.reports[0].get("type") == "SyntaxError":
        pytest.skip("this Python has no match")
    assert ended.value == value


def test_inputs_are_of_a_command_and_their_names_stay(run):
    """The mapping holds the inputs of this command; names of earlier ones are still there."""
    assert run("[a, sorted(inputs)]", {"a": 1, "b b": 2}).value == [1, ["a", "b b"]]
    assert run("[a, sorted(inputs), c]", {"c": 3}).value == [1, ["c"], 3]
    assert run("[a, inputs]", {"a": 4, "ﬁne": 5}).value == [4, {"a": 4, "ﬁne": 5}]
    assert run("fine", {"e\u0301": 1}).value == 5


def test_tracebacks_show_each_line_where_it_was_written(run):
    """A function of an earlier command is shown with that command's lines; the error names the line of this one."""
    run("x = 0\ndef f(n):\n    return 1 / n")
    run("def g(n):\n    return f(n)")
    ended = run("y = 1\n\ng(x)")
    lines = [line for line in ended.stderr.splitlines() if line.strip(" ~^")]  # versions differ in what they underline
    assert lines == [
        "Traceback (most recent call last):",
        '  File "program-3.py", line 3, in <module>',
        "    g(x)",
        '  File "program-2.py", line 2, in g',
        "    return f(n)",
        '  File "program.py", line 3, in f',
        "    return 1 / n",
        "ZeroDivisionError: division by zero",
    ]
    assert (ended.error["type"], ended.error["line"]) == ("ZeroDivisionError", 3)
    wrong = run("x = 1\nif")
    assert (wrong.error["type"], wrong.error["line"]) == ("SyntaxError", 2)
    assert 'File "program-4.py", line 2\n    if\n' in wrong.stderr


def test_the_programs_own_tracebacks_show_every_command(run):
    """The modules traceback and inspect find the source of earlier commands too."""
    run("import traceback, inspect")
    run("def fails():\n    raise ValueError('here')")
    ended = run("try:\n    fails()\nexcept ValueError:\n    traceback.print_exc()\ninspect.getsource(fails)")
    assert "    raise ValueError('here')\n" in ended.stderr
    assert ended.value == "def fails():\n    raise ValueError('here')\n"


@pytest.mark.parametrize(
    ("code", "exit_code", "kind"),
    [
        ("raise KeyError('x')", 1, "KeyError"),
        ("import sys; sys.exit(3)", 3, "SystemExit"),
        ("exit('bye')", 1, "SystemExit"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT); [i for i in range(10**9)]", 130, "KeyboardInterrupt"),
        ("if", 1, "SyntaxError"),
        ("def f(): return f()\nf()", 1, "RecursionError"),
        ("a = []\na.append(a)\na", 1, "ValueFormatError"),
        ("class A(BaseException): pass\nraise A", 1, "A"),
        ("class A(Exception):\n    def __str__(self): 1 / 0\nraise A", 1, "A"),
        ("import sys\nsys.stderr.close()\n1 / 0", 1, "ZeroDivisionError"),
        ("import sys\nsys.excepthook = 5\n1 / 0", 1, "ZeroDivisionError"),
        ("await (lambda: None)", 1, "TypeError"),
        ("import asyncio\nasync def f(): raise SystemExit(4)\nawait f()", 4, "SystemExit"),
        ("import asyncio\nasyncio.run(asyncio.sleep(0))\nasyncio.get_running_loop()", 1, "RuntimeError"),
    ],
)  # fmt: skip
def test_a_command_that_fails_does_not_end_the_session(run, code, exit_code, kind):
    """Its failure is told as a program's would be, and the next command runs as if nothing had been."""
    run("kept = 7")
    ended = run(code)
    assert (ended.exit_code, ended.error["type"]) == (exit_code, kind)
    assert [report["kind"] for report in ended.reports] == ["error"]
    assert run("kept").value == 7
    assert run("import asyncio\nawait asyncio.sleep(0, 8)").value == 8


def test_exit_code_zero_is_no_failure(run):
    """A command that exits with 0 keeps the result that it assigned, and so does the session."""
    assert run("import sys\nresult = 4\nsys.exit(0)\nresult = 5").value == 4
    assert run("result").value == 4


def test_an_interrupt_reaches_the_command_and_never_the_guest(run, tmp_path):
    """SIGINT while a command runs ends that command; between commands nothing happens."""
    run("import os, time")
    run.live.interrupt()
    assert run("'alive'").value == "alive"
    ended = run(
        "try:\n    os.kill(os.getpid(), 2)\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    caught = True\ncaught"
    )
    assert ended.value is True
    run("import signal\nseen = []\nsignal.signal(signal.SIGINT, lambda number, frame: seen.append(number))")
    run.live.interrupt()
    assert run("os.kill(os.getpid(), signal.SIGINT)\nseen").value == [signal.SIGINT]


def test_memory_that_runs_out_leaves_the_session(run):
    """A command that needs too much fails with MemoryError; what it had goes, and the variables of others stay."""
    run("kept = list(range(1000))")
    used = int(run("int(open('/proc/self/statm').read().split()[0]) * 4096").value)
    limit = used + (48 << 20)
    run(f"import resource\nresource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))")
    for _ in range(3):
        ended = run("mine = []\nwhile True:\n    mine.append('x' * 1000 + str(len(mine)))")
        assert (ended.exit_code, ended.error["type"], ended.error["line"]) == (1, "MemoryError", 3)
        assert run("del mine\nsum(kept)").value == 499500
    too_large = run("1", {"text": "x" * (60 << 20)})
    assert (too_large.exit_code, too_large.error["type"]) == (1, "MemoryError")
    assert run("sum(kept)").value == 499500


def test_top_level_await_has_one_loop(run):
    """Tasks outlive their command and go on while a later one awaits; what a command sets in a context stays."""
    run(
        "import asyncio, contextvars, decimal\nevent, log = asyncio.Event(), []\nvariable = contextvars.ContextVar('v')"
    )
    run("async def work():\n    log.append('began')\n    await event.wait()\n    log.append('ended')")
    run("task = asyncio.create_task(work())\nawait asyncio.sleep(0)\nvariable.set(5)\ndecimal.getcontext().prec = 3")
    assert run("log").value == ["began"]
    assert run("event.set()\nawait task\n[log, variable.get(), decimal.getcontext().prec]").value == [
        ["began", "ended"],
        5,
        3,
    ]
    assert run("asyncio.run(asyncio.sleep(0, 6))").value == 6
    assert run("variable.get() + await asyncio.sleep(0, 1)").value == 6


def test_an_interrupted_await_does_not_go_on(run):
    """What was interrupted is cancelled, and does not run beside the next command."""
    run("import asyncio, os\nlog = []")
    code = """
try:
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), 2)
    await asyncio.sleep(60)
finally:
    log.append('left')
log.append('went on')
"""
    assert run(code).exit_code == 130
    assert run("await asyncio.sleep(0.01)\nlog").value == ["left"]


def test_the_import_list_is_that_of_the_command(run):
    """Each command's list holds for what it imports, in functions of earlier commands too."""
    assert run("import math\ndef f():\n    import decimal\n    return 1\nmath.floor(1.5)", policy=STRICT).value == 1
    assert run("f()", policy=STRICT).error["type"] == "ImportError"
    assert run("f()", policy=Policy(name="p", allowed_imports=("decimal",))).value == 1
    assert run("import math", policy=Policy(name="p", allowed_imports=("decimal",))).error["type"] == "ImportError"


def test_a_missing_package_names_the_remedy_of_the_command(run):
    """The remedy comes with each command."""
    ended = run("import numpy", environment={"name": "data", "remedy": "Do this."})
    assert ended.error["message"].endswith("it is not in the guest environment `data`. Do this.")


@pytest.mark.parametrize(
    "code",
    [
        "import os\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\n'parent' if pid else 'child'",
        "import os\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nelse:\n    1 / 0\n'parent'",
        "import os\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nelse:\n    raise SystemExit(3)\n'parent'",
        "from multiprocessing import Process\np = Process(target=print)\np.start()\np.join()\n'parent'",
    ],
)
def test_forked_children_have_no_say(run, code):
    """A child that runs to the end of the command ends there: no second value, no second `done`, no command taken."""
    ended = run(code)
    assert ([report["kind"] for report in ended.reports], ended.value) == (["value"], "parent")
    for number in range(3):
        assert run(f"{number}").value == number


def test_threads_live_on(run):
    """A thread goes on after its command, and is not waited for."""
    run("import threading\ngo, said = threading.Event(), []")
    run("t = threading.Thread(target=lambda: (go.wait(), said.append(1)))\nt.start()")
    assert run("go.set()\nt.join()\nsaid").value == [1]
    run("threading.Thread(target=threading.Event().wait).start()")
    assert run.live.finish().exit_code == 0


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.close(3)",
        "import os\nos.close(3)\nopen('file', 'w')\n1",
        "import os\nos.closerange(0, 100)",
        "import os\nos._exit(9)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    ],
)
def test_a_command_that_takes_the_channels_ends_the_session(run, tmp_path, code):
    """Without its channels a session is over, and says nothing into files that have taken their place."""
    ended = run(code)
    assert ended.reports == []
    assert ended.exit_code != 0
    assert not (tmp_path / "file").exists() or (tmp_path / "file").read_bytes() == b""


def test_handlers_and_finalizers_run_at_the_end(run):
    """At the end of the session atexit handlers run, then the names are dropped."""
    run("import atexit\natexit.register(print, 'atexit')\nclass A:\n    def __del__(self): print('gone')\nkeep = A()")
    assert run("1").stdout == ""
    assert run.live.finish().stdout == "atexit\ngone\n"


def test_recursion_is_as_deep_in_every_command(run):
    """A command can recurse as deep as a program can, and no later one less or more (but for what CPython inlines)."""
    deepest = "def f(n):\n    try:\n        return f(n + 1)\n    except RecursionError:\n        return n\nf(0)"
    depths = {run(deepest).value for _ in range(10)}
    assert max(depths) - min(depths) <= 1
    assert run("def g(n):\n    return g(n - 1) if n else 'bottom'\ng(990)").value == "bottom"


_NAMES = st.sampled_from("abc")
_OPERANDS = st.one_of(st.integers(-5, 5).map(str), _NAMES, st.sampled_from(["[1]", "'x'", "2.5", "len(c)"]))
_EXPRESSIONS = st.recursive(
    _OPERANDS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "*", "==", "or", "if a else"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        inner.map(lambda text: f"[{text}]"),
        inner.map(lambda text: f"(lambda: {text})()"),
        inner.map(lambda text: f"[{text} for a in [1, 2]]"),
    ),
    max_leaves=4,
)  # fmt: skip
_COMMANDS = st.one_of(
    st.tuples(_NAMES, _EXPRESSIONS).map(lambda parts: f"{parts[0]} = {parts[1]}"),
    st.tuples(_NAMES, _EXPRESSIONS).map(lambda parts: f"for {parts[0]} in [{parts[1]}]: pass"),
    st.tuples(_NAMES, _EXPRESSIONS).map(lambda parts: f"def f(): return {parts[1]}\n{parts[0]} = f()"),
    st.tuples(_NAMES, _NAMES, _EXPRESSIONS).map(lambda parts: f"{parts[0]}, *{parts[1]} = [{parts[2]}, 1]"),
    st.tuples(_NAMES, _EXPRESSIONS).map(lambda parts: f"await _none()\n{parts[0]} = {parts[1]}"),
    _EXPRESSIONS,
)


def test_commands_give_what_one_program_of_them_gives(open_python, run_python):
    """A row of commands has the values and names that the program has that they make together."""
    run = open_python()
    run("async def _none(): pass")

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(_COMMANDS, min_size=1, max_size=6))
    def check(commands):
        first = "a, b, c = 1, 'two', [3]\nf = None"
        run(first)
        last = [run(command) for command in commands][-1]
        names = run("[a, b, c]").value
        joined = "\n".join(["async def _none(): pass", first, *commands])
        whole = run_python(joined)
        if whole.code == 0:
            assert whole.value == last.value
            assert run_python(f"{joined}\n[a, b, c]").value == names

    check()
