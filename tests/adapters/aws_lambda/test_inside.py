"""What goes into a function, each part on its own, in a box as Lambda's execution environments are."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.aws_lambda.replies import UNCLEAN
from adapters.runner import seccomp
from host.testing import missing
from tests.adapters.aws_lambda.packages import zipped
from tests.emulators.lambda_box import Box, Ending, need_boxes
from tests.emulators.lambda_package import unpack
from tests.emulators.lambda_root import INTERPRETER

_HEAD = """
import json, os, sys
sys.path[:0] = ["/var/task", "/var/task/guest/runner"]
def tell(value): print(json.dumps(value), flush=True)
"""


@pytest.fixture(scope="module")
def task(found_here: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of Python, unpacked."""
    folder = tmp_path_factory.mktemp("task")
    folder.chmod(0o755)
    for above in folder.parents[:3]:
        above.chmod(above.stat().st_mode | 0o055)
    unpack(zipped("python", found_here), folder)
    return folder


@pytest.fixture
def in_box(task: Path, tmp_path: Path) -> Iterator[Callable[..., tuple[list, Ending]]]:
    """Runs a program in a box with the package: what it told, and how it ended."""
    need_boxes()
    boxes: list[Box] = []

    def run(code: str) -> tuple[list, Ending]:
        (tmp_path / "program.py").write_text(_HEAD + code)
        for above in (tmp_path, *tmp_path.parents[:3]):
            above.chmod(above.stat().st_mode | 0o055)
        shown = [(task, "/var/task"), (tmp_path / "program.py", "/var/program.py")]
        box = Box([INTERPRETER, "-I", "-S", "/var/program.py"], environment={"SECRET": "canary"}, shown=shown)
        boxes.append(box)
        assert box.ended.wait(60)
        lines = box.output().decode(errors="replace").splitlines()
        return [
            json.loads(line) for line in lines if line.startswith(("[", "{", '"')) or line.isdigit()
        ] or lines, box.ending

    yield run
    for box in boxes:
        box.close()


def test_a_folder_is_emptied(in_box) -> None:
    """Deep, shut, oddly named and special entries go; the folder gets back the mode that it had."""
    told, _ = in_box("""
import emptied, socket
folder = emptied.Folder("/tmp")
os.chdir("/tmp")
os.makedirs("a/b/c"); open("a/b/c/file", "w").close(); os.chmod("a/b", 0); os.chmod("a", 0)
for _ in range(300):
    os.mkdir("deep" * 50); os.chdir("deep" * 50)
os.chdir("/tmp")
os.mkfifo("pipe"); os.symlink("/etc/passwd", "link"); socket.socket(socket.AF_UNIX).bind("socket")
open(b"\\xff\\n\\xfe", "w").close(); open(".hidden", "w").close()
mode = os.stat("/tmp").st_mode
os.chmod("/tmp", 0o100)
tell([folder.empty(), os.listdir("/tmp"), os.stat("/tmp").st_mode == mode, os.path.exists("/etc/passwd")])
""")
    assert told == [[[], [], True, True]]


def test_what_is_somebody_elses_stays(in_box) -> None:
    """What another user has put there is not the handler's to remove, and is not held against a program."""
    told, _ = in_box("""
import emptied
os.mkdir("/tmp/own"); open("/tmp/own/x", "w").close()
folder = emptied.Folder("/var")
tell([folder.empty(), sorted(os.listdir("/var"))])
""")
    ((left, there),) = told
    assert left == []
    assert "task" in there


def test_a_domain_shuts_programs_in(in_box) -> None:
    """In a domain nobody outside is read, traced or signalled, though the user is the same; files are as they were."""
    told, _ = in_box("""
import domain
if not domain.version():
    tell("none"); sys.exit()
other = os.getpid()
child = os.fork()
if child == 0:
    domain.enter()
    def tells(attempt):
        try:
            return attempt() or "done"
        except OSError as error:
            return type(error).__name__
    os.makedirs("/tmp/one"); os.makedirs("/tmp/two"); open("/tmp/one/file", "w").close()
    own = os.fork() or os._exit(0)
    tell([
        domain.version() >= 6,
        tells(lambda: open(f"/proc/{other}/environ").read()),
        tells(lambda: open(f"/proc/{other}/mem", "rb").close()),
        tells(lambda: os.kill(other, 0)),
        tells(lambda: os.rename("/tmp/one/file", "/tmp/two/file")),
        tells(lambda: os.kill(own, 9)),
    ])
    os._exit(0)
os.waitpid(child, 0)
""")
    if told == ["none"]:
        missing("this kernel has no Landlock")
    ((has_scopes, environ, memory, signal, rename, own),) = told
    assert (environ, memory) == ("PermissionError", "PermissionError")
    assert signal == ("PermissionError" if has_scopes else "done")
    assert (rename, own) == ("done", "done")


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_a_domain_of_an_older_kernel(in_box, version) -> None:
    """With what an older kernel has, nobody's environment is read either, and files are renamed across folders."""
    told, _ = in_box(f"""
import domain
if domain.version() < {version}:
    tell("none"); sys.exit()
domain.version = lambda: {version}
other = os.getpid()
child = os.fork()
if child == 0:
    domain.enter()
    os.makedirs("/tmp/one"); os.makedirs("/tmp/two"); open("/tmp/one/file", "w").close()
    os.rename("/tmp/one/file", "/tmp/two/file")
    try:
        open(f"/proc/{{other}}/environ").read()
    except PermissionError:
        tell("shut")
    os._exit(0)
os.waitpid(child, 0)
""")
    if told == ["none"]:
        missing("this kernel has no such Landlock")
    assert told == ["shut"]


_FILTER = seccomp.build().hex()
_STRAY = f"""
import kernel
def stray():
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        calls = kernel.Calls()
        calls.drop_capabilities(has_any=False)
        calls.filter_system_calls(bytes.fromhex("{_FILTER}"))
        calls.make()
        os.write(writing, str(os.getpid()).encode())
        while True:
            os.read(reading, 0)
    os.wait()
    return int(os.read(reading, 20))
"""


def test_a_handler_ends_what_one_before_it_left(in_box) -> None:
    """A handler that starts where another was killed ends the programs that it finds, and empties their folder."""
    told, _ = in_box(
        _STRAY
        + """
pid = stray()
open("/tmp/left", "w").close()
import neighbours
before = neighbours.strays()
import handler
handler._environment.begin({"work": "/tmp/work", "folders": ["/tmp"]})
tell([before == [pid], neighbours.strays(), os.listdir("/tmp")])
"""
    )
    assert told == [[True, [], ["work"]]]


@pytest.mark.parametrize(
    "spoiled",
    ["neighbours.strays = lambda: [1]", "tree.descendants = lambda: [1]", "emptied.Folder.empty = lambda self: ['x']"],
)
def test_an_unclean_environment_serves_no_more(in_box, spoiled) -> None:
    """Where something of a program is left the handler ends itself instead of answering, so that Lambda replaces it."""
    told, ending = in_box(f"import handler\nhandler.{spoiled}\nhandler._environment.end()\ntell('went on')")
    assert ending.code == UNCLEAN
    assert "so this environment ends" in told[-1]


def test_the_handler_is_hidden_and_adopts(in_box) -> None:
    """Once it is loaded nobody of its own user reads it, and orphans become its children. It has one thread."""
    told, _ = in_box("""
import handler, ctypes
libc = ctypes.CDLL(None)
adopts = ctypes.c_int()
libc.prctl(37, ctypes.byref(adopts), 0, 0, 0)
own = os.getpid()
child = os.fork()
if child == 0:
    os.execv(sys.executable, [sys.executable, "-c", f"open('/proc/{own}/environ')"])
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
tell([libc.prctl(3, 0, 0, 0, 0), adopts.value, status, len(os.listdir("/proc/self/task"))])
""")
    assert told[-1] == [0, 1, 1, 1]
