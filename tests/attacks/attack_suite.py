"""The attack suite: programs as data, a host with canaries for them to reach, and the judgement of what they did.

Each program below ``programs/<language>/`` begins with comments: ``tries:`` what it attempts, ``expect:`` the statuses
that mean that it was contained (succeeded by default: it ran to its end and reached nothing), ``limits:`` limits of its
own, ``runs:`` how often it runs ("2", or "2 at once"). A line that begins with ``held`` says what refused it, one that
begins with ``ESCAPED`` what did not. As a script it says all in one line of JSON at its end.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from host import ExecutionRequest, ExecutionResult, Host, Limits, Status, build_host, load_settings
from host.testing import missing
from host.testing.traces import adopt_orphans, count_in, leave_out, look

PROGRAMS = Path(__file__).parent / "programs"
_HEADER = re.compile(r"^(?:#|//) (tries|expect|limits|runs): (.+)$", re.MULTILINE)
_LIMITS = {
    "max_execution_time": 6000,
    "max_cpu_time": 6000,
    "max_memory_mb": 128,
    "max_processes": 32,
    "max_output_bytes": 65_536,
    "max_file_bytes": 8 << 20,
    "max_files": 200,
}
_ENDS = {
    Status(name) for name in ("succeeded", "failed", "timed_out", "out_of_memory", "output_limit", "killed", "denied")
}
_REAL_INTERPRETERS = ("sandbox", "container")
"""Walls around the real interpreters and all that these can do; each attack ends there as it says itself."""

_SECRET_NAME = "ATTACK_CANARY"


@dataclass(frozen=True)
class Attack:
    """One program and the ends that mean that it was contained."""

    name: str
    language: str
    code: str
    tries: str
    expect: tuple[Status, ...] = (Status.SUCCEEDED,)
    limits: dict = field(default_factory=dict)
    runs: int = 1
    at_once: bool = False

    @property
    def id(self) -> str:
        return f"{self.language}-{self.name}"


def attacks() -> list[Attack]:
    """All programs, in the order of their names."""
    return [_read(path) for path in sorted(PROGRAMS.glob("*/*")) if path.is_file()]


def _read(path: Path) -> Attack:
    code = path.read_text(encoding="utf-8")
    header = dict(_HEADER.findall(code))
    runs = header.get("runs", "1").split()
    return Attack(
        name=path.stem,
        language=path.parent.name,
        code=code,
        tries=header["tries"],
        expect=tuple(Status(word) for word in header.get("expect", "succeeded").split()),
        limits={name: int(value) for name, value in (pair.split("=") for pair in header.get("limits", "").split())},
        runs=int(runs[0]),
        at_once=len(runs) > 1,
    )


class Canaries:
    """What an attack would reach on this host: a file, a secret in the environment, four sockets, this process."""

    def __init__(self, folder: Path) -> None:
        self.secret = f"canary-{secrets.token_hex(8)}"
        self.environment_secret = f"secret-{secrets.token_hex(8)}"
        self._file = folder / f"bait-{secrets.token_hex(4)}"
        self._file.write_text(self.secret)
        self._file.chmod(0o666)  # any user may read and write it: only the wall keeps it safe
        self._before = os.environ.get(_SECRET_NAME)
        os.environ[_SECRET_NAME] = self.environment_secret
        self._sockets = [self._listen(folder)]
        tcp, udp, unix, abstract = self._sockets[0]
        self.inputs = {
            "canary": str(self._file),
            "host_pid": os.getpid(),
            "hostname": socket.gethostname(),
            "tcp_port": tcp.getsockname()[1],
            "udp_port": udp.getsockname()[1],
            "unix_path": unix.getsockname(),
            "abstract": abstract.getsockname()[1:].decode(),
        }

    @staticmethod
    def _listen(folder: Path) -> tuple[socket.socket, ...]:
        tcp = socket.create_server(("0.0.0.0", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("0.0.0.0", 0))
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(folder / "canary.sock"))
        unix.listen()
        (folder / "canary.sock").chmod(0o777)
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind(f"\0canary-{secrets.token_hex(4)}")
        abstract.listen()
        for server in (tcp, udp, unix, abstract):
            server.setblocking(False)
        return tcp, udp, unix, abstract

    def harm(self) -> list[str]:
        """What was reached, one sentence each."""
        found = []
        if self._file.read_text() != self.secret:
            found.append("the canary file was changed")
            self._file.write_text(self.secret)
        tcp, udp, unix, abstract = self._sockets[0]
        for server in (tcp, unix, abstract):
            with contextlib.suppress(BlockingIOError):
                link, address = server.accept()
                link.close()
                found.append(f"a connection came in: {server.getsockname()} from {address}")
        with contextlib.suppress(BlockingIOError):
            found.append(f"a datagram came in: {udp.recvfrom(100)}")
        return found

    def close(self) -> None:
        """Close the sockets and take the secret out of the environment."""
        for server in self._sockets[0]:
            server.close()
        if self._before is None:
            os.environ.pop(_SECRET_NAME, None)
        else:
            os.environ[_SECRET_NAME] = self._before


@contextlib.asynccontextmanager
async def host_under_attack(folder: Path, plugins: Mapping[str, object] | None = None, **more):
    """A host that serves, and its canaries. ``more`` are settings by dotted name."""
    adopt_orphans()
    usual = {"state_dir": str(folder / "state"), "plugins.entry_points": False}
    settings = load_settings(environ={}, overrides={**usual, **more})
    canaries = Canaries(folder)
    try:
        async with build_host(settings, plugins=plugins) as host:
            for adapter in host.registry.adapters.values():
                leave_out(adapter)
            try:
                yield host, canaries
            finally:
                for adapter in host.registry.adapters.values():
                    count_in(adapter)
    finally:
        canaries.close()


async def contained(attacked: tuple[Host, Canaries], attack: Attack, wall: str, *, own: tuple[str, ...] = ()) -> None:
    """The test of one attack: it ends as it should, reaches nothing, and leaves nothing.

    ``own`` are beginnings of sentences that are no fault behind this wall, for what they name is the wall's own.
    """
    host, canaries = attacked
    if reason := not_ready(host, wall):
        missing(f"{wall} is not ready: {reason}")
    if attack.language not in languages_of(host, wall):
        missing(f"{wall} does not run {attack.language} here")
    wrong = [line for line in await run(host, canaries, attack, wall) if not line.startswith(own)]
    if own and all(line.startswith("status ") for line in wrong):
        wrong = []  # only the line that shows the output is left
    assert not wrong, f"it tries to {attack.tries}:\n" + "\n".join(wrong)


def not_ready(host: Host, wall: str) -> str | None:
    """Why the wall cannot be attacked here, or None."""
    if wall in host.registry.absent:
        return host.registry.absent[wall].reason
    check = host.checks.get(wall)
    if check is None or check.ok:
        return None
    return f"{check.reason} {check.remedy}"


def languages_of(host: Host, wall: str) -> tuple[str, ...]:
    return host.registry.get(wall).capabilities().languages


def strays(within_s: float = 2.0) -> list[str]:
    """Descendants of this process that are no workers of the host's own, once those that end now have ended."""
    deadline = time.monotonic() + within_s
    while left := [f"{pid} {name}" for pid, name in look().processes.items() if not _is_worker(pid, name)]:
        if time.monotonic() > deadline:
            return [f"processes are left: {', '.join(left)}"]
        time.sleep(0.02)
    return []


def _is_worker(pid: int, name: str) -> bool:
    """Whether the host keeps this process between runs: a parsing worker, or one of monty's."""
    if name.startswith("monty"):
        return True
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"policies.worker" in command or b"javascript.worker" in command
    except OSError:
        return True  # it has ended


async def run(host: Host, canaries: Canaries, attack: Attack, wall: str, *, alone: bool = True) -> list[str]:
    """Run one attack as often as it asks; what went wrong, one sentence each.

    ``alone`` is false where others run beside it, so that nobody can say whose processes they are.
    """
    requests = [
        ExecutionRequest(
            code=attack.code,
            language=attack.language,
            inputs=canaries.inputs,
            policy="standard",
            adapter=wall,
            limits=Limits(**{**_LIMITS, **attack.limits}),
        )
        for _ in range(attack.runs)
    ]
    clock = time.monotonic()
    if attack.at_once:
        results = await asyncio.gather(*map(host.execute, requests))
    else:
        results = [await host.execute(request) for request in requests]
    spent_s = time.monotonic() - clock
    wrong = [sentence for result in results for sentence in _judge(attack, result, canaries, wall)]
    allowed_s = attack.runs * (_LIMITS | attack.limits)["max_execution_time"] / 1000 + 10
    if spent_s > allowed_s:
        wrong.append(f"it held the host for {spent_s:.1f} s")
    left = await asyncio.to_thread(strays) if alone else []
    return wrong + canaries.harm() + left


def _judge(attack: Attack, result: ExecutionResult, canaries: Canaries, wall: str) -> list[str]:
    wrong = []
    expected = set(attack.expect) if wall in _REAL_INTERPRETERS else _ENDS
    if result.status not in expected:
        wrong.append(f"ended as {result.status} ({result.reason}); expected {', '.join(sorted(expected))}")
    output = result.stdout + "\n" + result.stderr
    wrong += [line for line in output.splitlines() if line.startswith("ESCAPED")]
    whole = (
        output + repr(result.value) + result.reason + "".join(file.content.decode("latin-1") for file in result.files)
    )
    wrong += [
        f"{secret} is in the result" for secret in (canaries.secret, canaries.environment_secret) if secret in whole
    ]
    if (
        result.status is Status.SUCCEEDED
        and wall in _REAL_INTERPRETERS
        and "held" not in result.stdout
        and attack.expect == (Status.SUCCEEDED,)
    ):
        wrong.append("it said nothing of what held it")
    if wrong:
        wrong.append(f"status {result.status}, stdout {result.stdout[-600:]!r}, stderr {result.stderr[-600:]!r}")
    return wrong


async def _main(wall: str, at_once: int, only: str) -> int:
    with tempfile.TemporaryDirectory(prefix="attacks-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        async with host_under_attack(folder) as (host, canaries):
            reason = not_ready(host, wall)
            if reason:
                sys.stdout.write(json.dumps({"uid": os.getuid(), "not_ready": reason}) + "\n")
                return 2
            spoken = languages_of(host, wall)
            chosen = [attack for attack in attacks() if attack.language in spoken and re.search(only, attack.id)]
            gate = asyncio.Semaphore(at_once)

            async def one(attack: Attack) -> tuple[str, list[str]]:
                async with gate:
                    return attack.id, await run(host, canaries, attack, wall, alone=at_once == 1)

            results = [
                *await asyncio.gather(*map(one, chosen)),
                ("afterwards", await asyncio.to_thread(strays)),
            ]
    wrong = {name: sentences for name, sentences in results if sentences}
    sys.stdout.write(json.dumps({"uid": os.getuid(), "ran": len(chosen), "wrong": wrong}) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Attack a wall of this machine.")
    parser.add_argument("--wall", default="sandbox")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--only", default="", help="a regular expression over language-name")
    parser.add_argument("--uid", type=int, help="become this user first")
    arguments = parser.parse_args()
    if arguments.uid is not None:
        os.setgroups([])
        os.setresgid(arguments.uid, arguments.uid, arguments.uid)
        os.setresuid(arguments.uid, arguments.uid, arguments.uid)
    sys.exit(asyncio.run(_main(arguments.wall, arguments.at_once, arguments.only)))
