"""Each layer of the wall, proved by a program that runs into it."""

import os
import platform
from pathlib import Path

import pytest

from host.models import Status

TELLS = """
import os, socket, ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)

def tells(action):
    try:
        return action()
    except OSError as error:
        return errno.errorcode[error.errno]

def call(number, *arguments):
    ctypes.set_errno(0)
    value = libc.syscall(number, *arguments)
    return value if value >= 0 else errno.errorcode[ctypes.get_errno()]
"""


async def test_who_it_is(bench):
    """The program is an unprivileged user in a machine of its own, and process 1 is not the program."""
    code = TELLS + "result = [os.getuid(), os.getgid(), os.getgroups(), os.uname().nodename, os.getppid(), os.getpid()]"
    result = await bench.run(code)
    assert result.value[0] == 1000
    assert result.value[1] == 1000
    assert set(result.value[2]) <= {1000, 65534}
    assert result.value[3] == "sandbox"
    assert result.value[4] in (0, 1)  # where it was forked into its namespace, its parent is outside
    assert result.value[5] < 10


@pytest.mark.skipif(os.getuid() != 0, reason="the host is an ordinary user")
async def test_root_is_somebody_else_before_the_wall(bench, tmp_path):
    """As seen from outside, no process of a run belongs to root. Two runs at one time are different users, or the same
    one in user namespaces of their own, in which neither can name the other.
    """
    import asyncio

    code = "import time\nprint('up', flush=True)\ntime.sleep(60)"
    running = [asyncio.ensure_future(bench.run(code)) for _ in range(2)]
    while len(bench.events) < 2:
        await asyncio.sleep(0.01)
    pids = [run.pid for run in bench.adapter._engine._runs.values()]
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in pids} - {0}
    ids = {int(line.split()[1]) for pid in pids for line in _status(pid) if line.startswith("Uid:")}
    namespaces = {(Path(f"/proc/{pid}/ns/user").readlink(), Path(f"/proc/{pid}/ns/pid").readlink()) for pid in pids}
    assert len(ids) == 2 or bench.adapter._engine.keeps_warm
    assert len(namespaces) == 2
    assert min(ids) >= 59_000
    assert owners <= ids
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _status(pid):
    return Path(f"/proc/{pid}/status").read_text().splitlines()


async def test_it_sees_only_what_the_language_needs(bench):
    """No /proc, /sys, /etc, no host folders; the root cannot be written; the environment is the policy's."""
    code = TELLS + (
        "result = {'root': sorted(os.listdir('/')), 'dev': sorted(os.listdir('/dev')),"
        " 'write': tells(lambda: os.mkdir('/x')),"
        " 'remove': tells(lambda: os.unlink('/guest/python/main.py')), 'environment': sorted(os.environ)}"
    )
    result = await bench.run(code, environment={"GIVEN": "1"})
    assert not {"proc", "sys", "etc", "home", "var", "run", "opt"} & set(result.value["root"])
    assert result.value["dev"] == ["full", "null", "random", "shm", "urandom", "zero"]
    assert result.value["write"] == "EROFS"
    assert result.value["remove"] == "EROFS"
    assert result.value["environment"] == ["GIVEN", "HOME", "LANG", "PATH", "TMPDIR"]


async def test_it_has_no_descriptor_but_its_own(bench):
    """Only standard streams and the report channel are open: nothing of the host's, nothing of the launcher's."""
    code = TELLS + "result = [n for n in range(2000) if tells(lambda: os.fstat(n) and True) is True]"
    result = await bench.run(code)
    assert result.value == [0, 1, 2, 3]


async def test_no_host_packages(bench):
    """The interpreter's own packages show as an empty folder."""
    code = (
        "import os, sysconfig\nfolder = os.path.dirname(os.__file__)\n"
        "result = [os.listdir(p) for n in ('site-packages', 'dist-packages') if os.path.isdir(p := f'{folder}/{n}')]"
    )
    result = await bench.run(code)
    assert all(listed == [] for listed in result.value)


async def test_no_network(bench):
    """Only UNIX sockets exist: no inet, no vsock, no netlink, no packet sockets."""
    families = ["AF_INET", "AF_INET6", "AF_VSOCK", "AF_NETLINK", "AF_PACKET", "AF_ALG"]
    code = TELLS + (
        f"result = [tells(lambda: bool(socket.socket(getattr(socket, f)))) for f in {families}]\n"
        "result.append(bool(socket.socketpair()))"
    )
    result = await bench.run(code)
    assert result.value == ["EAFNOSUPPORT"] * 6 + [True]


REFUSED = {
    "mount": (165, "EPERM"),
    "umount2": (166, "EPERM"),
    "pivot_root": (155, "EPERM"),
    "unshare": (272, "EPERM"),
    "setns": (308, "EPERM"),
    "ptrace": (101, "EPERM"),
    "process_vm_readv": (310, "EPERM"),
    "bpf": (321, "EPERM"),
    "perf_event_open": (298, "EPERM"),
    "keyctl": (250, "EPERM"),
    "add_key": (248, "EPERM"),
    "open_by_handle_at": (304, "EPERM"),
    "init_module": (175, "EPERM"),
    "kexec_load": (246, "EPERM"),
    "kcmp": (312, "EPERM"),
    "pidfd_getfd": (438, "EPERM"),
    "seccomp": (317, "EPERM"),
    "shmget": (29, "EPERM"),
    "flock": (73, "ENOLCK"),
    "userfaultfd": (323, "ENOSYS"),
    "io_uring_setup": (425, "ENOSYS"),
    "memfd_create": (319, "ENOSYS"),
    "execveat": (322, "ENOSYS"),
    "clone3": (435, "ENOSYS"),
    "from the future": (900, "ENOSYS"),
}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")
async def test_system_calls(bench):
    """What the wall does not want is refused before the kernel looks at it."""
    numbers = {name: number for name, (number, _) in REFUSED.items()}
    result = await bench.run(TELLS + f"result = {{name: call(n, 0, 0, 0, 0, 0) for name, n in {numbers}.items()}}")
    assert result.value == {name: error for name, (_, error) in REFUSED.items()}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("call(56, 0x10000000 | 17, 0, 0, 0, 0)", "EPERM"),  # clone into a new user namespace
        ("call(16, 0, 0x5412, b'x')", "EPERM"),  # TIOCSTI
        ("call(302, 1, 0, 0, 0)", "EPERM"),  # limits of process 1
        ("call(135, 0x0040000)", "EPERM"),  # personality without address randomisation
        ("call(157, 22, 2, 0, 0, 0)", "EPERM"),  # a filter of its own
    ],
)
async def test_single_arguments(bench, code, error):
    """Calls that are allowed in general are refused for some arguments."""
    assert (await bench.run(TELLS + f"result = {code}")).value == error


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 is of x86_64")
async def test_other_call_tables_end_the_program(bench):
    """A call of the x32 table ends the program."""
    result = await bench.run(TELLS + "call(0x40000000 | 39)")
    assert (result.status, result.signal) == (Status.KILLED, "SIGSYS")


async def test_no_capability_is_left(bench):
    """Every capability set is empty, no_new_privs is on, and setuid(0) is refused.

    A warm sandbox keeps the bounding set, which with no_new_privs says nothing: no file gives a capability.
    """
    code = TELLS + (
        "data = (ctypes.c_uint32 * 6)()\n"
        "libc.capget((ctypes.c_uint32 * 2)(0x20080522, 0), data)\n"
        "bounding = [n for n in range(41) if libc.prctl(23, n, 0, 0, 0) == 1]\n"
        "ambient = [n for n in range(41) if libc.prctl(47, 1, n, 0, 0) == 1]\n"
        "result = [list(data), bounding, ambient, libc.prctl(39, 0, 0, 0, 0), libc.prctl(21, 0, 0, 0, 0),"
        " tells(lambda: os.setuid(0))]"
    )
    result = await bench.run(code)
    sets, bounding, *rest = result.value
    assert [sets, *rest] == [[0] * 6, [], 1, 2, "EINVAL"], result
    assert not bounding or bench.adapter._engine.keeps_warm


async def test_process_1_cannot_be_hurt(bench):
    """Signals to process 1 do nothing; killing all that can be killed kills the program alone."""
    code = "import os\nfor n in range(1, 65):\n    try: os.kill(1, n)\n    except OSError: pass\nresult = 'still here'"
    assert (await bench.run(code)).value == "still here"
    code = "import os, time\nif os.fork() == 0: time.sleep(60)\nos.kill(-1, 9)\nresult = os.wait()[1]"
    assert (await bench.run(code)).value == 9


async def test_nothing_in_the_work_folder_runs(bench):
    """A program that was written into the work folder or /tmp cannot be executed or mapped."""
    code = TELLS + (
        "import shutil\nresult = []\n"
        "for folder in ('/work', '/tmp'):\n"
        "    path = folder + '/program'\n"
        "    shutil.copyfile('/guest/launcher/launcher.pyc', path)\n"
        "    os.chmod(path, 0o755)\n"
        "    result.append(tells(lambda: os.execv(path, [path])))"
    )
    assert (await bench.run(code)).value == ["EACCES", "EACCES"]


async def test_files_have_one_budget(bench):
    """Bytes and names of /work and /tmp together are bounded, and so is a single file."""
    code = TELLS + (
        "def fill(folder, n):\n    with open(f'{folder}/{n}', 'wb') as f: f.write(b'x' * (1 << 20))\n"
        "result = [tells(lambda: [fill('/work', 1), fill('/tmp', 2), fill('/work', 3)])]\n"
        "for n in (1, 3): os.path.exists(f'/work/{n}') and os.unlink(f'/work/{n}')\n"
        "os.unlink('/tmp/2')\n"
        "result.append(tells(lambda: [os.close(os.open(f'/work/n{n}', os.O_CREAT)) for n in range(100)]) )\n"
        "result.append(len(os.listdir('/work')))"
    )
    result = await bench.run(code, max_file_bytes=2 << 20, max_files=20)
    assert result.value == ["ENOSPC", "ENOSPC", 20], result


async def test_descriptors_are_bounded(bench):
    """A program cannot have more than a thousand files open."""
    result = await bench.run(TELLS + "result = tells(lambda: [os.dup(1) for _ in range(5000)])")
    assert result.value == "EMFILE"


async def test_shared_memory_is_the_runs_own(bench):
    """/dev/shm is empty at the start of each run, whatever host and earlier runs have in theirs; no message queue."""
    here = Path("/dev/shm") / f"understudy-{os.getpid()}"
    here.write_text("the host's")
    code = TELLS + (
        "seen = os.listdir('/dev/shm')\n"
        "if os.access('/dev/shm', os.W_OK): open('/dev/shm/left', 'w').close()\n"
        "result = [seen, call(240, b'/x', 0o102, 0o600, 0)]"
    )
    try:
        first, second = [(await bench.run(code)).value for _ in range(2)]
    finally:
        here.unlink()
    assert first[0] == second[0] == []
    assert first[1] == second[1] != "open"


async def test_processes_of_one_run_can_share(bench):
    """Locks, queues and shared memory of multiprocessing work between the processes of a run."""
    code = (
        "import multiprocessing\nfork = multiprocessing.get_context('fork')\n"
        "lock, queue = fork.Lock(), fork.Queue()\n"
        "def work(n):\n    with lock:\n        queue.put(n * n)\n"
        "all_of_them = [fork.Process(target=work, args=(n,)) for n in range(3)]\n"
        "for each in all_of_them: each.start()\n"
        "result = sorted(queue.get() for _ in all_of_them)\n"
        "for each in all_of_them: each.join()\n"
    )
    result = await bench.run(code, file_system_access="sandboxed")
    assert result.value == [0, 1, 4], result.reason


async def test_limits_cannot_be_raised(bench):
    """The rlimits are hard."""
    code = TELLS + (
        "import resource\n"
        "def raised(n):\n    hard = resource.getrlimit(n)[1]\n    try: resource.setrlimit(n, (hard + 1, hard + 1))\n"
        "    except ValueError: return False\n    return True\n"
        "result = [raised(getattr(resource, 'RLIMIT_' + n)) for n in 'CPU FSIZE NPROC NOFILE CORE DATA'.split()]"
    )
    assert (await bench.run(code)).value == [False] * 6


async def test_threads_and_subprocesses_are_allowed(bench):
    """The standard library works: threads, fork, asyncio, multiprocessing's pipes, temporary files."""
    code = """
import asyncio, os, tempfile, threading, concurrent.futures
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    squares = list(pool.map(lambda n: n * n, range(10)))
async def later():
    await asyncio.sleep(0.01)
    return 7
with tempfile.TemporaryFile() as file:
    file.write(b'x')
pid = os.fork()
if pid == 0:
    os._exit(5)
result = [sum(squares), asyncio.run(later()), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]
"""
    result = await bench.run(code)
    assert result.value == [285, 7, 5], result
