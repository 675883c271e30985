"""What a program in a function tries against the function, one attack a test, under the real runtime client.

A program has the same user as the handler and as the runner. What it finds or fails at stands in its value. All of it
is tried with Landlock, where this kernel has it, and without.
"""

import pytest

from tests.adapters.aws_lambda.attempts import is_clean, tries
from tests.emulators.lambda_runtime import CANARIES

pytestmark = pytest.mark.usefixtures("domain")


async def test_the_environment_of_the_handler(bench) -> None:
    """No process's environment can be read, and no variable of the function is anywhere for the program."""
    code = """
seen = dict(os.environ)
environs = {}
for name in os.listdir("/proc"):
    if name.isdigit():
        environs[name] = tells(lambda: open(f"/proc/{name}/environ").read())
result = [seen, {name: text for name, text in environs.items() if name != str(os.getpid())}, environs[str(os.getpid())]]
"""
    seen, others, own = await tries(bench, code)
    assert set(seen) == {"HOME", "LANG", "PATH", "TMPDIR"}
    assert set(others.values()) == {"PermissionError"}
    assert len(others) >= 3
    assert own.strip("\0") == ""
    assert not any(secret in str([seen, others, own]) for secret in CANARIES.values())


async def test_the_memory_of_the_handler(bench) -> None:
    """The memory of handler and runner can be neither opened, read across, nor traced."""
    code = """
result = {
    name: [
        tells(lambda: open(f"/proc/{pid}/mem", "rb").close()),
        tells(lambda: open(f"/proc/{pid}/maps").read()),
        tells(lambda: os.listdir(f"/proc/{pid}/fd")),
        tells(lambda: call(310, pid, None, 0, None, 0, 0)),
        tells(lambda: call(101, 16, pid, 0, 0)),
        tells(lambda: call(438, 3, 0, 0)),
    ]
    for name, pid in keepers.items()
}
"""
    found = await tries(bench, code)
    assert {answer for answers in found.values() for answer in answers} == {"PermissionError"}


async def test_the_next_invocation(bench) -> None:
    """The Runtime API on its loopback port cannot be spoken to: there are no internet sockets, in children neither."""
    host, _, port = (await _served(bench)).address.partition(":")
    code = f"""
def steal():
    with socket.create_connection(({host!r}, {port}), 5) as connection:
        connection.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\n\\r\\n")
        return connection.recv(100)

result = [tells(steal), os.waitstatus_to_exitcode(os.system("exec 3<>/dev/tcp/{host}/{port}")),
          tells(lambda: socket.socket(socket.AF_INET6)),
          tells(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))]
"""
    assert await tries(bench, code) == ["OSError", 2, "OSError", "OSError"]
    assert bench.environment.polls == 3  # the handler's alone: before each invocation, and now
    await is_clean(bench)


async def _served(bench):
    await bench.run("1")
    return bench.environment


@pytest.mark.parametrize("how", ["os.kill(pid, 9)", "call(200, pid, 9)", "call(234, pid, pid, 9)"])
async def test_signals(bench, how) -> None:
    """Neither handler nor runner can be signalled, by number or by thread."""
    found = await tries(bench, f"result = {{name: tells(lambda: {how}) for name, pid in keepers.items()}}")
    assert set(found.values()) == {"PermissionError"}


async def test_signals_by_handle(bench) -> None:
    """A handle of a process cannot be had for them, and a folder of /proc does not serve as one."""
    code = """
def by_folder(pid):
    call(424, os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY), 9, None, 0)

result = [[tells(lambda: call(434, pid, 0)), tells(lambda: by_folder(pid))] for pid in keepers.values()]
"""
    assert await tries(bench, code) == [["PermissionError"] * 2] * 2


async def test_signals_by_the_kernel(bench) -> None:
    """The kernel cannot be made to signal them when a descriptor is ready."""
    code = """
import fcntl
reading, writing = os.pipe()
result = [
    [tells(lambda: fcntl.fcntl(reading, 8, whom)), tells(lambda: fcntl.fcntl(reading, 15, struct.pack("ii", 1, whom))),
     tells(lambda: fcntl.ioctl(reading, 0x8901, struct.pack("i", whom)))]
    for pid in keepers.values() for whom in (pid, -os.getpgid(pid))
] + [tells(lambda: fcntl.fcntl(reading, 10, 9))]
"""
    assert await tries(bench, code) == [["PermissionError"] * 3] * 4 + ["PermissionError"]


async def test_signals_to_everybody(bench) -> None:
    """Signals to all processes or to the groups of handler and runner reach nobody; those to its own group itself."""
    code = """
groups = [-1, *(-os.getpgid(pid) for pid in keepers.values())]
result = [tells(lambda: os.kill(group, 9)) for group in groups]
"""
    assert await tries(bench, code) == ["PermissionError"] * 3
    assert (await bench.run("import os; os.killpg(0, 9)")).signal == "SIGKILL"
    await is_clean(bench)


async def test_slowing_them_down(bench) -> None:
    """Priority, scheduling and processors of handler and runner cannot be changed, so no deadline is held up."""
    code = """
result = [
    [tells(lambda: os.setpriority(os.PRIO_PROCESS, pid, 19)), tells(lambda: os.sched_setaffinity(pid, {0})),
     tells(lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))),
     tells(lambda: call(251, 1, pid, 3 << 13)), tells(lambda: open(f"/proc/{pid}/oom_score_adj", "w").write("1000"))]
    for pid in keepers.values()
] + [tells(lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19))]
"""
    assert await tries(bench, code) == [["PermissionError"] * 5] * 2 + ["PermissionError"]
