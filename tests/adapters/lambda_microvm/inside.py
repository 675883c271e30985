"""A MicroVM's inside as it really is: the server is root and process 1, in a root of its own. Needs root here."""

import asyncio
import ctypes
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from adapters.guest.catalogue import guests
from adapters.lambda_microvm.facts import Facts
from adapters.lambda_microvm.recipes import Recipes
from adapters.runner.answer import Answer
from adapters.runner.results import judged
from host.interface import discard
from host.models import ExecutionRequest, ExecutionResult
from host.policy import Policy
from host.testing import missing
from tests.adapters.lambda_microvm.rig import Built

__all__ = ["Inside", "need_root"]

_CLONE_NEWNET = 0x40000000
_PLACE = "/opt/understudy"
# What a container has: programs of the machine, read-only; an /etc, a /dev and a /tmp of its own.
_ROOT = """
set -e
mount -t tmpfs -o mode=755 tmpfs "$NEW"
cd "$NEW"
mkdir -p usr etc dev proc tmp var/tmp var/lib root opt/understudy old sys
chmod 1777 tmp var/tmp
mount --rbind -o ro /usr usr && mount -o remount,bind,ro,nosuid usr
for name in bin sbin lib lib64; do
  if [ -L /$name ]; then cp -a /$name $name; elif [ -d /$name ]; then mkdir $name; mount --bind -o ro /$name $name; fi
done
cp -a /etc/passwd /etc/group /etc/alternatives /etc/ld.so.cache etc/
echo microvm > etc/hostname
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir -m 1777 dev/shm
mount --bind "$IMAGE" opt/understudy
for pair in $SHOWN; do
  path=${pair%%=*} seen=${pair#*=}
  if [ -d "$path" ]; then mkdir -p ".$seen"; else mkdir -p ".$(dirname "$seen")"; touch ".$seen"; fi
  mount --bind "$path" ".$seen"
done
mount -t proc proc proc
pivot_root . old
cd /
umount -l old
ip link set lo up 2>/dev/null || true
exec env -i PATH=/usr/local/bin:/usr/bin:/bin "$PYTHON" -I /opt/understudy/server.py
"""


def need_root() -> None:
    """End the test where nobody can make such a root."""
    if os.getuid() != 0:
        missing("only root can make what a MicroVM is inside")
    if shutil.which("unshare") is None:
        missing("unshare is missing: apt-get install util-linux")


class Inside:
    """One such inside. A context manager."""

    def __init__(self, built: Built) -> None:
        base = Path(sys.base_prefix).resolve()
        shown = [f"{source}={seen}" for source, seen in built.shown[1:]]
        shown += [] if base.is_relative_to("/usr") else [f"{base}={base}"]
        self._new = tempfile.mkdtemp(prefix="understudy-inside-")
        python = base / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
        environment = {
            "PATH": os.environ["PATH"],
            "NEW": self._new,
            "IMAGE": str(built.folder),
            "SHOWN": " ".join(shown),
            "PYTHON": str(python),
        }
        flags = [
            "--mount",
            "--pid",
            "--net",
            "--ipc",
            "--uts",
            "--cgroup",
            "--fork",
            "--kill-child",
            "--propagation",
            "private",
        ]
        self._process = subprocess.Popen(
            ["unshare", *flags, "sh", "-c", _ROOT], env=environment, stderr=subprocess.PIPE
        )

    def __enter__(self) -> "Inside":
        waiting = threading.Event()
        for _ in range(3000):
            if self._process.poll() is not None:
                raise RuntimeError(self._process.stderr.read().decode())
            try:
                status, body = self.ask("GET", "/ready")
            except OSError:
                waiting.wait(0.01)
                continue
            assert status == 200
            self.facts = Facts.read(body)
            return self
        raise TimeoutError

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()
        os.rmdir(self._new)

    def connection(self) -> http.client.HTTPConnection:
        """A connection to the server, made in its network."""
        made: list[socket.socket | OSError] = []

        def connect() -> None:
            try:
                (child,) = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
                with open(f"/proc/{child}/ns/net") as network:
                    if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(socket.create_connection(("127.0.0.1", 8080), timeout=60))
            except (OSError, ValueError) as error:
                made.append(error if isinstance(error, OSError) else OSError(str(error)))

        thread = threading.Thread(target=connect)  # only a thread may be in another network
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        connection = http.client.HTTPConnection("localhost")
        connection.sock = made[0]
        return connection

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Ask once."""
        connection = self.connection()
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    async def run(self, request: ExecutionRequest, policy: Policy, state_dir: Path) -> ExecutionResult:
        """Run a program."""
        known = {guest.language: guest for guest in guests(state_dir)}
        if request.language == "sql":
            known["sql"].find()
        recipes = Recipes(known)
        parcel = await recipes.program(request, policy, self.facts)
        status, body = await asyncio.to_thread(self.ask, "POST", "/run", parcel.body)
        assert status == 200, body
        answer = Answer(policy, discard, is_text=parcel.is_text)
        answer.feed(body)
        assert not answer.trouble, answer.trouble
        return judged(request, policy, answer.ended())
