"""What the programs begin with that try something against their function, and how they are run."""

from host.models import Status

__all__ = ["is_clean", "tries"]

_TRY = """
import ctypes, os, socket, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return "done"

def parent_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[1])

def tells(attempt):
    try:
        return attempt() or "done"
    except OSError as error:
        return type(error).__name__

runner = os.getppid()
handler = parent_of(runner)
keepers = {"runner": runner, "handler": handler}
"""


async def tries(bench, code: str, **more) -> object:
    result = await bench.run(_TRY + code, **more)
    assert result.status is Status.SUCCEEDED, (result.reason, result.stderr)
    return result.value


async def is_clean(bench) -> None:
    """Nothing is left in the execution environment, and it serves on."""
    environment = bench.environment
    assert environment.strays() == []
    assert list(environment.temporary.iterdir()) == []
    assert (await bench.run("6 * 7")).value == 42
    assert bench.environment is environment
