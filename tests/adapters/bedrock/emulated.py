"""The adapter on services that are emulated in another process, for what has no fixtures: whole suites."""

import asyncio
import atexit
import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3

from adapters.bedrock.adapter import BedrockAdapter
from adapters.bedrock.tools import CONTROL, DATA
from host.errors import AdapterError
from host.interface import AdapterContext, Kept
from host.policy import FileSystemAccess, Policy
from host.testing.traces import leave_out
from tests.emulators.trees import remove_tree

__all__ = ["OPEN", "EmulatedBedrock", "Region", "only", "region"]

OPEN = Policy(
    name="open",
    allowed_imports=None,
    file_system_access=FileSystemAccess.SANDBOXED,
    max_execution_time=20_000,
    max_cpu_time=20_000,
    max_memory_mb=256,
)
"""What programs run under, where a test is not about that."""

_CHECKOUT = Path(__file__).resolve().parents[3]
_ORDINARY_USER = 64_998
_PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"

# Root may have put the interpreter and this checkout where nobody else can look: see tests/conftest.py. The interpreter
# has to be where it was built to be, or it finds another one's library.
_AS_ORDINARY_USER = """
set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -p /mnt/python /mnt/packages /mnt/checkout /mnt/scripts /mnt/venv/bin "/mnt/venv/lib/$PYTHON"
mount --rbind "$BASE" /mnt/python
mount --rbind "$PACKAGES" /mnt/packages
mount --rbind "$CHECKOUT" /mnt/checkout
mount --rbind "$SCRIPTS" /mnt/scripts
if [ -n "$CLOSED" ]; then
    mount -t tmpfs -o mode=755 tmpfs "$CLOSED"
    mkdir -p "$BASE"
    mount --rbind /mnt/python "$BASE"
fi
echo "home = $BASE/bin" > /mnt/venv/pyvenv.cfg
ln -s "$BASE/bin/$PYTHON" "/mnt/venv/bin/$PYTHON"
ln -s /mnt/packages "/mnt/venv/lib/$PYTHON/site-packages"
exec setpriv --reuid="$ID" --regid="$ID" --clear-groups -- env -i HOME="$STATE" PATH="/mnt/scripts:$PATH" \\
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/mnt/checkout TMPDIR="$STATE" \\
    "/mnt/venv/bin/$PYTHON" /mnt/checkout/tests/adapters/bedrock/region.py
"""


class Region:
    """Emulated services in a process of their own, as an ordinary user. See ``region.py``."""

    def __init__(self) -> None:
        for program in ("bwrap", "unshare", "setpriv"):
            if shutil.which(program) is None:
                raise AdapterError(f"{program} is not on this machine: apt-get install bubblewrap util-linux")
        self._state = Path(tempfile.mkdtemp(prefix="understudy-region-", dir="/tmp"))
        self._process = self._started()
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise AdapterError("a machine with walls cannot be emulated here")
        self.environment: Mapping[str, str] = json.loads(line)
        self.pid = self._process.pid
        self.ports = {
            int(self.environment[name].rpartition(":")[2]) for name in self.environment if "URL_BEDROCK" in name
        }

    def _started(self) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        if os.getuid() != 0:
            environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_CHECKOUT), "TMPDIR": str(self._state)}
            program = [sys.executable, str(Path(__file__).with_name("region.py"))]
            return subprocess.Popen(program, stdin=pipe, stdout=pipe, env=environment)
        os.chown(self._state, _ORDINARY_USER, _ORDINARY_USER)
        environment = {
            "BASE": sys.base_prefix,
            "CLOSED": _closed(Path(sys.base_prefix)),
            "PACKAGES": sysconfig.get_paths()["purelib"],
            "CHECKOUT": str(_CHECKOUT),
            "SCRIPTS": sysconfig.get_paths()["scripts"],
            "PYTHON": _PYTHON,
            "ID": str(_ORDINARY_USER),
            "STATE": str(self._state),
            "PATH": os.environ["PATH"],
        }
        command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", _AS_ORDINARY_USER]
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment)

    def running(self) -> list[str]:
        """The names of the sessions that run."""
        with only(self.environment):
            client = boto3.client(DATA)
        try:
            listed = client.list_code_interpreter_sessions(
                codeInterpreterIdentifier="aws.codeinterpreter.v1", status="READY"
            )
            return [each["name"] for each in listed["items"]]
        finally:
            client.close()

    def kept(self) -> Kept:
        """What stands for AWS does not count as left behind: its process, and connections to it."""
        sockets, held = _sockets(self.ports), 0
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                held += os.readlink(entry) in sockets
        return Kept(trees=frozenset({self.pid}), descriptors=held)

    def close(self) -> None:
        """End it with all its machines."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        remove_tree(self._state)


def _closed(path: Path) -> str:
    """The first folder on the way to ``path`` that only its owner may enter, or ""."""
    return next((str(each) for each in [*reversed(path.parents), path] if not each.stat().st_mode & 0o001), "")


_region: list[Region] = []


def region() -> Region:
    """One that lives as long as this process."""
    if not _region:
        _region.append(Region())
        atexit.register(_region[0].close)
        leave_out(_region[0])
    return _region[0]


@contextlib.contextmanager
def only(variables: Mapping[str, str]) -> Iterator[None]:
    """Of all variables for AWS, these alone."""
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for name in before:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update(before)


class EmulatedBedrock(BedrockAdapter):
    """The adapter as it is, made where the environment points at the emulated services."""

    async def start(self, context: AdapterContext) -> None:
        with only(region().environment):
            await super().start(context)
            for service in (CONTROL, DATA):
                await asyncio.to_thread(self._calls.clients.client, service)


def _sockets(ports: set[int]) -> set[str]:
    """The connections to these ports, as links of descriptors show them."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].rpartition(":")[2], 16) in ports:
            found.add(f"socket:[{fields[9]}]")
    return found
