"""The runner, run as an ordinary process on this machine: what it holds where no container helps it."""

import os
import signal

import pytest
from far_side import CLOSED, OPEN, READING

from host.models import Status
from host.values import Table


def _tight(**limits):
    return OPEN.model_copy(update={"name": "tight", **limits})


def test_it_runs_each_language(far, uid) -> None:
    """Python, SQL, JavaScript and Bash give their values, typed, and their output."""
    python = far.run("print('hi')\nfrom decimal import Decimal\nprice * Decimal('1.5')", inputs={"price": 3}, uid=uid)
    assert (python.status, str(python.value), python.stdout) == (Status.SUCCEEDED, "4.5", "hi\n")
    assert far.run("select 6 * 7 as x", language="sql", uid=uid).value == Table(columns=["x"], rows=[[42]])
    assert far.run("result = 6 * 7", language="javascript", uid=uid).value == 42
    assert far.run("echo hi; result=42", language="bash", uid=uid).value == "42"


def test_messages_come_while_it_runs(far) -> None:
    """What a program writes comes before it goes on; here it goes on only when somebody has read it."""
    session = far.session()
    code = "import os\nprint('one', flush=True)\nwhile not os.path.exists('seen'): pass\nprint('two', end='')"
    answer = session.give(code)
    session.read(answer, until=lambda answer: answer.ended().stdout == "one\n")
    (far.folder / "run" / "work" / "seen").touch()
    session.read(answer)
    assert answer.ended().stdout == "one\ntwo"
    session.close()


def test_one_line_of_text_says_the_same(far) -> None:
    """The answer as one line of text holds value, output and files too."""
    result = far.run("open('a.bin', 'wb').write(bytes(range(256)))\nprint('x' * 10)\n42", text_bytes=1 << 20)
    assert (result.value, result.stdout) == (42, "x" * 10 + "\n")
    assert [(file.path, file.content) for file in result.files] == [("a.bin", bytes(range(256)))]


def test_a_file_that_the_text_has_no_room_for_is_named(far) -> None:
    """A file that does not fit into the answer is left out, and the reason says so; smaller ones come."""
    code = "import os\nopen('large', 'wb').write(os.urandom(200_000))\nopen('small', 'wb').write(b's')\n1"
    result = far.run(code, text_bytes=100_000)
    assert result.status is Status.SUCCEEDED
    assert [file.path for file in result.files] == ["small"]
    assert "large" in result.reason


def test_files_go_in_and_come_out(far, uid) -> None:
    """The work folder holds what was sent; what is new or changed comes out."""
    result = far.run("open('b.txt', 'w').write(open('in/a.txt').read() + '!')", files=[("in/a.txt", b"a")], uid=uid)
    assert [(file.path, file.content) for file in result.files] == [("b.txt", b"a!")]


@pytest.mark.parametrize(
    ("code", "policy", "status", "words"),
    [
        ("while True: pass", _tight(max_execution_time=300), Status.TIMED_OUT, "300 ms"),
        ("while True: pass", _tight(max_cpu_time=300), Status.TIMED_OUT, "CPU"),
        ("x = []\nwhile True: x.append(bytearray(1 << 20))", _tight(max_memory_mb=64), Status.OUT_OF_MEMORY, "64 MiB"),
        ("while True: print('x' * 1000)", _tight(max_output_bytes=20_000), Status.OUTPUT_LIMIT, "20000"),
        ("import os\nos.kill(os.getpid(), 9)", OPEN, Status.KILLED, "SIGKILL"),
        ("1 / 0", OPEN, Status.FAILED, "ZeroDivisionError"),
    ],
    ids=["deadline", "cpu", "memory", "output", "signal", "failed"],
)
def test_every_end_has_its_status(far, uid, code, policy, status, words) -> None:
    """A limit that is reached, a signal and an exception each end the program with their own status and words."""
    result = far.run(code, policy, uid=uid)
    assert result.status is status, result
    assert words in result.reason


def test_memory_of_all_processes_counts_together(far, uid) -> None:
    """Four processes of 40 MiB are over a limit of 100 MiB."""
    code = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        block = bytearray(40 << 20)
        for place in range(0, len(block), 4096): block[place] = 1
        time.sleep(60)
time.sleep(60)
"""
    result = far.run(code, _tight(max_memory_mb=100), uid=uid)
    assert result.status is Status.OUT_OF_MEMORY, result


def test_names_are_counted(far, uid) -> None:
    """No more files, folders and links are made than the policy gives, and room comes back when one is removed."""
    code = """
import os
made = 0
try:
    for n in range(30):
        (os.mkdir, lambda name: os.symlink('x', name), lambda name: open(name, 'w').close())[n % 3](f'n{n}')
        made += 1
except OSError as error:
    failure = error.strerror
os.rmdir('n0')
os.mkdir('again')
result = [made, failure]
"""
    assert far.run(code, _tight(max_files=12), uid=uid).value == [12, os.strerror(28)]


def test_one_file_is_no_larger_than_all_may_be(far, uid) -> None:
    """A file stops growing at the limit of bytes."""
    code = """
written = 0
try:
    file = open('f', 'wb', buffering=0)
    while True: written += file.write(bytes(1 << 16))
except OSError: pass
result = written
"""
    assert far.run(code, _tight(max_file_bytes=1 << 20), uid=uid).value == 1 << 20


def test_many_files_are_no_larger_together(far, uid) -> None:
    """A program whose files are too large together is ended, and the reason names the limit."""
    code = "import time\nfor n in range(9):\n    open(f'f{n}', 'wb').write(bytes(1 << 20))\ntime.sleep(60)"
    result = far.run(code, _tight(max_file_bytes=2 << 20), uid=uid)
    assert (result.status, "max_file_bytes" in result.reason) == (Status.KILLED, True), result


_HIDES = """
import os, time
kept = []
for name in 'ab':
    if way == 'in a shut folder':
        os.mkdir(f'folder-{name}')
        name = f'folder-{name}/{name}'
    if way == 'deep down':
        for _ in range(20):
            os.mkdir('d' * 250)
            os.chdir('d' * 250)
    file = os.open(name, os.O_RDWR | os.O_CREAT)
    os.write(file, bytes(3 << 19))
    if way == 'only mapped':
        from mmap import mmap
        kept.append(mmap(file, 3 << 19))
        os.close(file)
    if way in ('unlinked', 'only mapped'):
        os.unlink(name)
    if way == 'in a shut folder':
        os.chmod(os.path.dirname(name), 0)
time.sleep(60)
"""


def _hides(far, way, uid):
    within = far.run(_HIDES, _tight(max_file_bytes=4 << 20, max_execution_time=700), inputs={"way": way}, uid=uid)
    assert within.status is Status.TIMED_OUT, within
    beyond = far.run(_HIDES, _tight(max_file_bytes=2 << 20), inputs={"way": way}, uid=uid)
    assert (beyond.status, "max_file_bytes" in beyond.reason) == (Status.KILLED, True), beyond


@pytest.mark.parametrize("way", ["unlinked", "in a shut folder", "deep down"])
def test_bytes_cannot_be_hidden(far, uid, way) -> None:
    """Files count that have no name any more, that are in folders without permissions, or deeper than any path."""
    _hides(far, way, uid)


def test_bytes_cannot_be_hidden_in_memory(far) -> None:
    """A file counts that is neither named nor open, but mapped."""
    _hides(far, "only mapped", None)


@pytest.mark.parametrize("way", ["in a shut folder", "deep down"])
def test_names_cannot_be_hidden(far, nobody, way) -> None:
    """Names count in folders without permissions, and deeper than any path; a folder is left as it was."""
    code = """
import os
os.mkdir('top')
folder = os.open('top', os.O_RDONLY)
made = 1
failure = None
try:
    for _ in range(20 if way == 'deep down' else 0):
        os.mkdir('d' * 250, dir_fd=folder)
        made += 1
        folder = os.open('d' * 250, os.O_RDONLY, dir_fd=folder)
    for number in range(60):
        os.fchmod(folder, 0o700)
        os.close(os.open(f'f{number}', os.O_CREAT, dir_fd=folder))
        made += 1
        os.fchmod(folder, 0)
except OSError as error:
    failure = error.strerror
os.fchmod(folder, 0o310)
while os.fstat(folder).st_mode & 0o777 != 0o310:  # it is being looked at
    pass
result = [made, failure]
"""
    result = far.run(code, _tight(max_files=40), inputs={"way": way}, uid=nobody)
    assert result.value == [40, os.strerror(28)], result


def test_no_descriptor_of_the_runners_is_left_to_a_program(far, uid) -> None:
    """A program finds open what it is given, and nothing that leads to the host."""
    code = """
import os
def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
result = [number for number in range(3, 64) if is_open(number)]
"""
    assert far.run(code, uid=uid).value == [3]


@pytest.mark.skipif(os.getuid() != 0, reason="as this user the tests' own processes count too")
def test_processes_are_counted(far) -> None:
    """No more processes are started than the policy gives."""
    code = """
import os, time
started = 0
try:
    for _ in range(50):
        if os.fork() == 0: time.sleep(60)
        started += 1
except OSError: pass
result = started
"""
    assert far.run(code, _tight(max_processes=8), uid=59_000).value == 7


@pytest.mark.parametrize("policy", [CLOSED, READING], ids=["none", "read-only"])
def test_what_may_not_be_written_is_not(far, nobody, policy) -> None:
    """Where the policy lets nothing out, no byte is written anywhere and no mode is changed; /dev/null still works."""
    code = """
import os
def tells(action):
    try:
        action()
    except OSError as error:
        return 'refused'
    return 'open'
def write(path):
    with open(path, 'wb', buffering=0) as file:
        file.write(b'x')
open('/dev/null', 'w').write('x')
result = {
    'here': tells(lambda: write('x')),
    'temporary': tells(lambda: write(os.environ['TMPDIR'] + '/x')),
    'elsewhere': tells(lambda: write('/tmp/understudy-test-x')),
    'mode': tells(lambda: os.chmod('.', 0o777)),
    'given': tells(lambda: write('given')) if os.path.exists('given') else 'refused',
}
"""
    files = [("given", b"g")] if policy is READING else []
    assert set(far.run(code, policy, files=files, uid=nobody).value.values()) == {"refused"}


def test_there_is_no_network(far) -> None:
    """The program gets no socket but local ones."""
    code = """
import socket
def tells(family, kind):
    try:
        socket.socket(family, kind)
    except OSError as error:
        return 'refused'
    return 'open'
result = {
    'inet': tells(socket.AF_INET, socket.SOCK_STREAM),
    'inet6': tells(socket.AF_INET6, socket.SOCK_DGRAM),
    'netlink': tells(socket.AF_NETLINK, socket.SOCK_RAW),
    'packet': tells(socket.AF_PACKET, socket.SOCK_RAW),
    'vsock': tells(socket.AF_VSOCK, socket.SOCK_STREAM),
}
"""
    assert set(far.run(code).value.values()) == {"refused"}


def test_there_is_no_way_to_the_runner(far, nobody) -> None:
    """The program reads nothing of the runner's, and cannot signal it, its group or everybody."""
    code = """
import os
def tells(action):
    try:
        action()
    except OSError as error:
        return 'refused'
    return 'open'
runner = os.getppid()
result = {
    'environ': tells(lambda: open(f'/proc/{runner}/environ').read()),
    'mem': tells(lambda: open(f'/proc/{runner}/mem')),
    'fd': tells(lambda: os.listdir(f'/proc/{runner}/fd')),
    'kill': tells(lambda: os.kill(runner, 0)),
    'kill everybody': tells(lambda: os.kill(-1, 0)),
    'kill its group': tells(lambda: os.killpg(os.getpgid(runner), 0)),
}
"""
    seen = far.run(code, uid=nobody).value
    assert set(seen.values()) == {"refused"}, seen


def test_daemons_end_with_the_program(far, uid) -> None:
    """A daemon in a session of its own is dead when the answer comes, and holds nothing up."""
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open('pid', 'w').write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
while not os.path.exists('pid') or not open('pid').read(): time.sleep(0.01)
result = int(open('pid').read())
"""
    result = far.run(code, uid=uid)
    assert result.status is Status.SUCCEEDED
    with pytest.raises(ProcessLookupError):
        os.kill(result.value, 0)


def test_its_environment_is_what_was_sent(far, uid, monkeypatch) -> None:
    """The program sees the policy's variables and the guest's, and nothing of the runner's own."""
    monkeypatch.setenv("SECRET_OF_THE_PARENT", "canary")
    code = "import os\nresult = sorted(os.environ)"
    policy = OPEN.model_copy(update={"environment": {"GREETING": "hello"}})
    assert far.run(code, policy, uid=uid).value == ["GREETING", "HOME", "LANG", "PATH", "TMPDIR"]
    shell = far.run("env", policy, language="bash", uid=uid).stdout
    assert "canary" not in shell
    assert "GREETING=hello" in shell


def test_a_session_keeps_its_names(far) -> None:
    """Commands share an interpreter; one that fails keeps it; it ends when the host hangs up."""
    session = far.session()
    assert session.run("x = 20").exit_code == 0
    failed = session.run("1 / 0")
    assert (failed.exit_code, session.alive) == (1, True)
    assert session.run("print('hi')\nx + 22").report.value == 42
    assert session.close() == 0


def test_a_command_that_is_late_is_interrupted(far) -> None:
    """A command over its time is interrupted, and the session lives; one that will not give way ends it."""
    session = far.session(_tight(max_execution_time=400))
    late = session.run("x = 1\nimport time\ntime.sleep(60)")
    assert (late.cause, session.alive) == ("deadline", True)
    assert session.run("x").report.value == 1
    stubborn = session.run("import signal\nsignal.signal(2, signal.SIG_IGN)\nwhile True: pass")
    assert (stubborn.cause, stubborn.signal, session.alive) == ("deadline", signal.SIGKILL, False)
    session.close()


def test_a_command_can_be_cancelled(far) -> None:
    """A message while a command runs interrupts it, and the session lives."""
    session = far.session()
    answer = session.give("print('ready', flush=True)\nimport time\ntime.sleep(60)")
    session.read(answer, until=lambda answer: answer.ended().stdout == "ready\n")
    session.send(b'{"cancel": true}')
    session.read(answer)
    assert (answer.ended().cause, answer.alive) == ("cancelled", True)
    assert session.run("6 * 7").report.value == 42
    session.close()


def test_it_ends_when_the_host_does(far) -> None:
    """A runner whose host hangs up while a command runs ends the command, and itself."""
    session = far.session()
    answer = session.give("print('ready', flush=True)\nwhile True: pass")
    session.read(answer, until=lambda answer: "ready" in answer.ended().stdout)
    assert session.close() == 0
