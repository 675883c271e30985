"""What a program in a function leaves or uses up, under the real runtime client: the next one finds nothing of it."""

import pytest

from host.models import Status
from tests.adapters.aws_lambda.attempts import is_clean, tries

pytestmark = pytest.mark.usefixtures("domain")


async def test_a_daemon(bench) -> None:
    """A daemon in a session of its own, twice forked and deaf, is dead before the answer is out."""
    code = """
import signal
if os.fork() == 0:
    os.setsid()
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    if os.fork() == 0:
        while True:
            time.sleep(0.01)
    os._exit(0)
result = 1
"""
    assert await tries(bench, code) == 1
    await is_clean(bench)


async def test_a_program_that_never_ends(bench) -> None:
    """One that is stopped at its deadline leaves nothing either, and its environment serves on."""
    code = "import os\nfor _ in range(3):\n    os.fork()\nprint('there', flush=True)\nwhile True: pass"
    result = await bench.run(code, max_execution_time=700)
    assert result.status is Status.TIMED_OUT
    assert "there" in result.stdout
    await is_clean(bench)


@pytest.mark.parametrize("way", ["unlinked", "in a shut folder", "deep down"])
async def test_bytes_cannot_be_hidden(bench, way) -> None:
    """Files count that have no name, that are in a folder which its own user has shut, or deeper than any path."""
    code = f"""
import os, time
os.mkdir("shut")
folder = os.open("shut", os.O_RDONLY)
for _ in range(20 if {way!r} == "deep down" else 0):
    os.mkdir("d" * 250, dir_fd=folder)
    folder = os.open("d" * 250, os.O_RDONLY, dir_fd=folder)
for name in "ab":
    file = os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=folder)
    os.write(file, bytes(3 << 19))
    if {way!r} == "unlinked":
        os.unlink(name, dir_fd=folder)
    else:
        os.close(file)
os.chmod("shut", 0)
time.sleep(60)
"""
    within = await bench.run(code, max_file_bytes=4 << 20, max_execution_time=700)
    assert within.status is Status.TIMED_OUT, within
    beyond = await bench.run(code, max_file_bytes=2 << 20)
    assert (beyond.status, "max_file_bytes" in beyond.reason) == (Status.KILLED, True), beyond
    await is_clean(bench)


async def test_bytes_cannot_be_hidden_in_a_process(bench) -> None:
    """A program that nobody may read makes a process that nobody of its user may look into: it is ended."""
    code = """
import os, shutil, time
shutil.copyfile("/usr/bin/sleep", "asleep")
os.chmod("asleep", 0o111)
file = os.open("file", os.O_RDWR | os.O_CREAT)
os.write(file, bytes(3 << 19))
os.unlink("file")
os.set_inheritable(file, True)
if os.fork() == 0:
    os.execv("asleep", ["asleep", "60"])
os.close(file)
time.sleep(60)
"""
    result = await bench.run(code, max_file_bytes=1 << 20)
    assert (result.status, "max_file_bytes" in result.reason) == (Status.KILLED, True), result
    await is_clean(bench)


async def test_files_for_the_next_program(bench) -> None:
    """Whatever a program leaves, hidden, shut, deep, linked or special, the next one finds an empty folder."""
    code = """
os.mkdir("shut"); open("shut/x", "w").close(); os.chmod("shut", 0)
open("/tmp/.hidden", "w").close(); os.mkfifo("/tmp/pipe"); os.symlink("/etc", "/tmp/link")
socket.socket(socket.AF_UNIX).bind("/tmp/socket")
open(b"/tmp/\\xff\\xfe\\n", "w").close()
os.chdir("/tmp")
for _ in range(40):
    os.mkdir("d" * 250); os.chdir("d" * 250)
open("bottom", "w").close()
os.chmod("/tmp", 0)
result = 1
"""
    assert await tries(bench, code, max_files=200) == 1
    assert await tries(bench, "result = [os.listdir('/tmp'), os.listdir('.'), os.stat('/tmp').st_mode & 0o777]") == [
        ["work"],
        [],
        0o700,
    ]
    await is_clean(bench)


async def test_other_places_to_write(bench) -> None:
    """There is no other place to leave files in: not /dev/shm, /var/tmp, the home folder or the handler's own."""
    code = """
places = ["/dev/shm", "/var/tmp", "/var/task", "/var/task/guest/runner", "/var/runtime", "/", "/etc", "/run", "/home"]
result = [place for place in places if tells(lambda: open(place + "/x", "w").close()) == "done"]
"""
    assert await tries(bench, code) == []


async def test_the_handlers_files(bench) -> None:
    """The files of handler, runner and guest cannot be changed, replaced or taken away."""
    code = """
files = ["/var/task/handler.py", "/var/task/guest/runner/main.py", "/var/task/guest/python/main.py"]
result = {tells(attempt) for path in files for attempt in (
    lambda: open(path, "a").close(), lambda: os.unlink(path), lambda: os.rename("/tmp/work", path),
    lambda: os.chmod(path, 0o777), lambda: os.truncate(path, 0))}
"""
    assert "done" not in await tries(bench, code)
    await is_clean(bench)


async def test_filling_the_disk(bench) -> None:
    """No more is written than max_file_bytes gives, wherever below /tmp, and it is gone afterwards."""
    code = """
written = 0
try:
    for place in ("/tmp/a", "/tmp/work/b", "/tmp/c"):
        with open(place, "wb", buffering=0) as file:
            while True:
                written += file.write(b"x" * (1 << 18))
except OSError:
    pass
result = written
"""
    result = await bench.run(code, max_file_bytes=1 << 20)
    assert (result.status, result.value) in ((Status.SUCCEEDED, 1 << 20), (Status.KILLED, None))
    await is_clean(bench)


async def test_many_files(bench) -> None:
    """No more names are made than max_files gives, wherever below /tmp."""
    code = """
made = 0
try:
    for number in range(500):
        open(f"/tmp/{'work/' if number % 2 else ''}{number}", "w").close()
        made += 1
except OSError:
    pass
result = made
"""
    assert 20 <= await tries(bench, code, max_files=30) <= 30
    await is_clean(bench)


async def test_a_fork_bomb(bench) -> None:
    """A program that forks as fast as it can is stopped, and so is all that came of it."""
    result = await bench.run(
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        max_processes=16,
        max_execution_time=1500,
    )
    assert result.status in (Status.TIMED_OUT, Status.KILLED)
    await is_clean(bench)


async def test_memory(bench) -> None:
    """Memory over the policy's ends the program, in one process or in many, and not the handler."""
    for code in (
        "kept = []\nwhile True: kept.append(bytearray(1 << 20))",
        "import os, time\nfor _ in range(6): os.fork()\nkept = [bytearray(8 << 20)]\ntime.sleep(60)",
    ):
        result = await bench.run(code, max_memory_mb=64, max_processes=128)
        assert result.status is Status.OUT_OF_MEMORY, result.reason
    await is_clean(bench)


async def test_long_output(bench) -> None:
    """Output is cut at the policy's limit, and at what an answer holds where the policy gives more."""
    flood = "import os\nblock = os.urandom(1 << 16)\nwhile True: os.write(1, block)"
    result = await bench.run(flood, max_output_bytes=100_000)
    assert (result.status, result.truncated) == (Status.OUTPUT_LIMIT, True)
    result = await bench.run(flood, max_output_bytes=1 << 30)
    assert result.status is Status.OUTPUT_LIMIT
    assert "4194304 bytes" in result.reason
    assert len(result.stdout) > 1 << 20
    await is_clean(bench)


async def test_output_in_the_smallest_pieces(bench) -> None:
    """Output whose pieces weigh more than itself, so that it fits no answer, is a result of its own."""
    code = "import os\nfor byte in os.urandom(1 << 20): os.write(1 + byte % 2, bytes([byte]))"
    result = await bench.run(code, max_output_bytes=4 << 20)
    assert result.status in (Status.SUCCEEDED, Status.OUTPUT_LIMIT, Status.TIMED_OUT)
    await is_clean(bench)


async def test_stdin_and_descriptors(bench) -> None:
    """The program has no descriptor but its own: not the job, nor the runner's line, nor the Runtime API."""
    code = """
open_here = [name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]
result = [[int(name), os.readlink(f"/proc/self/fd/{name}").split(":")[0]] for name in open_here]
"""
    found = await tries(bench, code)
    assert [number for number, _ in found if number > 3] == []
    assert "socket" not in {kind for _, kind in found}


async def test_other_namespaces(bench) -> None:
    """The program cannot make namespaces, mount, or leave its root."""
    code = """
result = {tells(lambda: call(272, flag)) for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000)}
result |= {tells(lambda: os.chroot("/tmp")), tells(lambda: call(165, b"tmpfs", b"/tmp", b"tmpfs", 0, None))}
"""
    assert await tries(bench, code) == {"PermissionError"}


async def test_the_runner_is_seen_through(bench) -> None:
    """What a program can see of the runner and the handler holds no secret and nothing of other programs."""
    await bench.run("secret_of_the_first = 'canary-of-the-first-program'", inputs={"token": "canary-of-its-inputs"})
    code = """
result = {}
for name, pid in keepers.items():
    for file in "cmdline status stat wchan cgroup limits mountinfo sched io stack syscall".split():
        result[f"{name} {file}"] = tells(lambda: open(f"/proc/{pid}/{file}").read())
"""
    seen = str(await tries(bench, code))
    assert "canary" not in seen.lower()
