"""What is found on a machine, what is said of it, and what is cleaned up."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from adapters.guest.contract import Launch, Missing, Runtime
from adapters.guest.reports import GuestError, GuestReport
from adapters.runner.ended import Cause, Ended
from adapters.runner.verdict import decide, signal_name
from adapters.sandbox import cgroups, machine, strays
from adapters.sandbox.adapter import SandboxAdapter
from adapters.sandbox.bubblewrap import View, inside_path
from adapters.sandbox.settings import SandboxSettings
from adapters.sandbox.staging import stage
from adapters.sandbox.watch import sample
from host.errors import AdapterError
from host.interface import AdapterContext
from host.models import ExecutionRequest, Status
from host.policy import ENFORCED_FIELDS, Enforcement, Policy
from host.testing import missing

POLICY = Policy(name="test")


@pytest.fixture
def empty_path(monkeypatch, tmp_path):
    """A PATH on which nothing is."""
    monkeypatch.setenv("PATH", str(tmp_path))


async def test_without_bubblewrap(empty_path, tmp_path):
    """A machine without bubblewrap starts, is not ready, names the remedy, runs nothing and claims no language."""
    adapter = SandboxAdapter()
    await adapter.start(AdapterContext({}, tmp_path, "owner"))
    try:
        check = await adapter.check()
        assert (check.ok, check.remedy) == (False, "apt-get install bubblewrap")
        assert adapter.capabilities().languages == ()
        with pytest.raises(AdapterError, match="bubblewrap") as caught:
            await adapter.execute(ExecutionRequest(code="1"), POLICY, lambda event: None)
        assert not caught.value.may_have_started
    finally:
        await adapter.aclose()


async def test_a_missing_language_is_named(by_default, tmp_path):
    """A language whose runtime is missing is a finding with its remedy, and declined likewise."""

    class Absent:
        language = "cobol"

        def find(self):
            return Missing("cobc is not installed", "apt-get install gnucobol")

        def launch(self, request, policy, runtime):
            raise AssertionError

    adapter = SandboxAdapter([*by_default.adapter._given, Absent()])
    await adapter.start(AdapterContext({}, tmp_path, "owner"))
    try:
        refusal = adapter.accepts(ExecutionRequest(code="", language="cobol"), POLICY)
        assert (refusal.rule, refusal.remedy) == ("language", "apt-get install gnucobol")
        check = await adapter.check()
        assert check.ok
        assert [finding.remedy for finding in check.findings if finding.name == "cobol"] == ["apt-get install gnucobol"]
    finally:
        await adapter.aclose()


async def test_a_wall_that_cannot_be_built_is_an_error_of_the_wall(by_default, tmp_path):
    """A tree that is gone ends as AdapterError before anything runs, and leaves nothing."""

    class Broken:
        language = "broken"

        def find(self):
            return Runtime("broken", "1", Path("/bin/true"), {tmp_path / "gone": "/gone"})

        def launch(self, request, policy, runtime):
            return Launch(("/gone",), b"")

    adapter = SandboxAdapter([*by_default.adapter._given, Broken()])
    await adapter.start(AdapterContext({}, tmp_path, "owner"))
    try:
        with pytest.raises(AdapterError, match="gone") as caught:
            await adapter.execute(ExecutionRequest(code="", language="broken"), POLICY, lambda event: None)
        assert not caught.value.may_have_started
        assert not adapter._engine._runs
    finally:
        await adapter.aclose()


async def test_a_program_that_cannot_be_started_is_an_error_of_the_wall(by_default, tmp_path):
    """A guest whose program is not inside the wall is told from a program of the caller's that failed."""

    class Nowhere:
        language = "nowhere"

        def find(self):
            return Runtime("nowhere", "1", Path("/bin/true"), {})

        def launch(self, request, policy, runtime):
            return Launch(("/nowhere",), b"")

    adapter = SandboxAdapter([*by_default.adapter._given, Nowhere()])
    await adapter.start(AdapterContext({}, tmp_path, "owner"))
    try:
        with pytest.raises(AdapterError, match="No such file") as caught:
            await adapter.execute(ExecutionRequest(code="", language="nowhere"), POLICY, lambda event: None)
        assert not caught.value.may_have_started
    finally:
        await adapter.aclose()


@pytest.fixture
def without_nesting(monkeypatch):
    """A PATH whose bubblewrap lets nobody inside make user namespaces."""
    bubblewrap = shutil.which("bwrap") or missing("bubblewrap is not installed")
    if "--disable-userns" not in subprocess.run([bubblewrap, "--help"], capture_output=True, text=True).stdout:
        missing("this bubblewrap cannot switch user namespaces off")
    with tempfile.TemporaryDirectory() as folder:  # where the sandboxes' own user gets to as well
        refusing = Path(folder, "bwrap")
        refusing.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && exec {bubblewrap} "$1"\nexec {bubblewrap} --disable-userns "$@"\n'
        )
        for place in (refusing.parent, refusing):
            place.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield


async def test_a_machine_that_refuses_namespaces_within_namespaces(without_nesting, tmp_path):
    """There every program gets a wall of its own, none fails for it; the check and a session say what is missing."""
    adapter = SandboxAdapter()
    await adapter.start(AdapterContext({}, tmp_path, "owner", policy=POLICY))
    try:
        check = await adapter.check()
        (warm,) = (found for found in check.findings if found.name == "warm" and not found.ok)
        assert (check.ok, "namespaces inside those of bubblewrap" in warm.reason) == (True, True)
        for _ in range(3):
            result = await adapter.execute(ExecutionRequest(code="6 * 7"), POLICY, lambda event: None)
            assert (result.status, result.value) == (Status.SUCCEEDED, 42)
        with pytest.raises(AdapterError, match="namespaces inside those of bubblewrap"):
            await adapter.open("session", "python", POLICY)
    finally:
        await adapter.aclose()


def test_every_field_is_held_at_the_wall(by_default):
    """All but the import list is claimed at wall level, for every language."""
    claims = by_default.adapter.capabilities()
    for language in claims.languages:
        for field in ENFORCED_FIELDS:
            wanted = Enforcement.ADVICE if field == "allowed_imports" else Enforcement.WALL
            assert claims.level(field, language) is wanted


async def test_check_names_every_layer(bench):
    """The probe has a finding for each layer and for each language, and a program really ran."""
    check = await bench.adapter.check()
    names = {finding.name for finding in check.findings}
    assert {"bubblewrap", "user namespaces", "seccomp", "user id", "control groups", "python"} <= names
    assert any(finding.name == "a program in the wall" and finding.ok for finding in check.findings)
    assert check.ok
    assert check.latency_ms > 0
    assert all(finding.remedy for finding in check.findings if not finding.ok)


@pytest.mark.parametrize("table", [{"cgroup": []}, {"uid_first": "x"}, {"uid_count": 0}, {"start_timeout_ms": True}])
def test_settings_of_the_wrong_kind(table):
    """A setting of the wrong kind is named with what it should be."""
    with pytest.raises(AdapterError, match=next(iter(table))):
        SandboxSettings.read(table)


# --- the verdict ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "report", "status", "word"),
    [
        (Ended(exit_code=0), GuestReport(1), Status.SUCCEEDED, ""),
        (Ended(exit_code=0), GuestReport(malformed="it is cut"), Status.FAILED, "It is cut."),
        (Ended(exit_code=3), GuestReport(), Status.FAILED, "exit code 3"),
        (Ended(exit_code=1), GuestReport(error=GuestError("MemoryError", "")), Status.OUT_OF_MEMORY, "128 MiB"),
        (
            Ended(exit_code=1),
            GuestReport(error=GuestError("KeyError", "'x'", 3)),
            Status.FAILED,
            "KeyError: 'x' (line 3)",
        ),
        (Ended(signal=11), GuestReport(), Status.KILLED, "SIGSEGV"),
        (Ended(signal=31), GuestReport(), Status.KILLED, "SIGSYS"),
        (Ended(signal=24), GuestReport(), Status.TIMED_OUT, "CPU"),
        (Ended(signal=9, cpu_ms=6000.0), GuestReport(), Status.TIMED_OUT, "CPU"),
        (Ended(signal=9, cpu_ms=60.0), GuestReport(), Status.KILLED, "SIGKILL"),
        (Ended(signal=9, ran_out_of_memory=True), GuestReport(), Status.OUT_OF_MEMORY, "memory"),
        (Ended(exit_code=0, ran_out_of_memory=True), GuestReport(1), Status.OUT_OF_MEMORY, "memory"),
        (Ended(signal=6, peak_memory_bytes=200 << 20), GuestReport(), Status.OUT_OF_MEMORY, "SIGABRT"),
        (Ended(signal=6, peak_memory_bytes=20 << 20), GuestReport(), Status.KILLED, "SIGABRT"),
        (Ended(cause=Cause.DEADLINE), GuestReport(), Status.TIMED_OUT, "5000 ms"),
        (Ended(cause=Cause.PROCESSES), GuestReport(), Status.KILLED, "64 processes"),
        (Ended(cause=Cause.OUTPUT, exit_code=0), GuestReport(1), Status.OUTPUT_LIMIT, "1048576"),
        (Ended(exit_code=0, skipped=("x: a link",)), GuestReport(1), Status.SUCCEEDED, "x: a link"),
    ],
)
def test_verdict(ended, report, status, word):
    """The facts decide, in this order: what the host did, the kernel's limits, the signal, the program."""
    ended.report = report
    found, reason = decide(ended, POLICY)
    assert (found, word in reason) == (status, True), reason


def test_signal_names():
    """Signals have names, also those that Python does not know."""
    assert [signal_name(9), signal_name(35), signal_name(64)] == ["SIGKILL", "SIG35", "SIGRTMAX"]


# --- trees ------------------------------------------------------------------------------------------------------------


def test_paths_inside(tmp_path):
    """A host path shows below the tree that holds it."""
    trees = {tmp_path / "a": "/x", tmp_path / "b/c": "/y"}
    assert inside_path(tmp_path / "a/1/2", trees) == "/x/1/2"
    assert inside_path(tmp_path / "b/c", trees) == "/y"
    assert inside_path(tmp_path / "b", trees) is None


def test_masked_folders_show_only_where_there_is_something(tmp_path):
    """A folder that is not there is not hidden: there would be no place to hide it behind."""
    (tmp_path / "lib/site-packages").mkdir(parents=True)
    view = View.of({tmp_path / "lib": "/lib"}, ["/lib/site-packages", "/lib/dist-packages"], None)
    assert view.empty == ("/lib/site-packages",)


def test_staging_is_done_once_and_with_readable_modes(by_default, tmp_path):
    """The same files give the same folder; what is in it can be read by anybody, whatever the umask."""
    python = by_default.adapter._runtimes["python"]
    source = tmp_path / "code.py"
    source.write_text("x = 1")
    before = os.umask(0o077)
    try:
        first = stage({source: "/guest/code.py"}, python.program, python.version, tmp_path / "state")
        again = stage({source: "/guest/code.py"}, python.program, python.version, tmp_path / "state")
    finally:
        os.umask(before)
    assert first == again
    assert (first.guests / "code.py").stat().st_mode & 0o777 == 0o644
    assert first.guests.stat().st_mode & 0o777 == 0o755
    source.write_text("x = 2")
    assert stage({source: "/guest/code.py"}, python.program, python.version, tmp_path / "state") != first


# --- control groups and the watch -------------------------------------------------------------------------------------


def test_cgroups_can_be_switched_off():
    """With mode off no group is looked for, and the remedy names the setting."""
    found = cgroups.find_cgroups("off", "owner")
    assert isinstance(found, cgroups.NoCgroups)
    assert "adapters.sandbox.cgroup" in found.remedy


def test_a_folder_that_is_no_group(tmp_path):
    """A configured folder that is not a control group is named."""
    found = cgroups.find_cgroups(str(tmp_path), "owner")
    assert isinstance(found, cgroups.NoCgroups)
    assert str(tmp_path) in found.reason


def _without_groups(reason):
    """Root can make groups on a complete machine; an ordinary user can where somebody has handed them one."""
    (missing if os.getuid() == 0 else pytest.skip)(reason)


async def test_leftover_groups_are_removed_with_what_is_in_them(by_default, tmp_path):
    """A dead host's group goes away, and so do processes that are in it still."""
    if by_default.adapter._machine.cgroups is None:
        _without_groups("no control groups can be made here")
    left = machine.survey(SandboxSettings(), "dead", tmp_path)
    group = left.cgroups.create()
    group.limit(64 << 20, 8)
    with subprocess.Popen(["sleep", "600"]) as process:
        group.take_in(process.pid)
        assert group.processes() == [process.pid]
        await asyncio.to_thread(left.reap, ["dead"])
        assert process.wait() == -9
    for _ in range(100):
        if await asyncio.to_thread(left.reap, ["dead"]) or not any(folder.exists() for folder in group._folders):
            break
    assert not any(folder.exists() for folder in group._folders)
    assert not left.record.exists()


def test_the_unified_hierarchy(tmp_path):
    """A group of version 2 takes a process in, counts its CPU time, and goes when it is empty."""
    mounts = cgroups._mounts()
    place = mounts[""][0] / f"understudy-test-{os.getpid()}" if "" in mounts else tmp_path / "gone/x"
    try:
        place.mkdir()
    except OSError:
        _without_groups("no group of the unified hierarchy can be made here")
    group = cgroups.Group(2, [place])
    try:
        with subprocess.Popen(["sleep", "600"]) as process, group.around():
            group.take_in(process.pid)
            assert group.has_all(process.pid)
            assert not group.remove()
            assert group.counts().cpu_ms is not None
            process.kill()
    finally:
        while not group.remove():
            pass
    assert not place.exists()


async def test_a_bubblewrap_that_lost_its_parent_is_found(by_default):
    """A process that waits for a dead bubblewrap is known by its label, and reaping its owner ends it."""
    owner = "dead with a stray"
    label = f"{cgroups.owner_tag(owner)}-1."
    command = ["sh", "-c", "echo; read x", "/guest/launcher/launcher.pyc", "3", "4", "-", label]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.read(1)  # it has its arguments only a moment after it was started
        assert strays.find_strays(label) == [process.pid]
        assert strays.find_strays(f"{cgroups.owner_tag('alive')}-") == []
        assert await by_default.adapter.reap([owner]) >= 1
        assert process.wait() == -9


def test_sampling_a_tree():
    """The watch adds up what is below a process, and leaves that process itself out."""
    code = "import os,time\nx=b'x'*(20<<20)\nos.fork()\nprint(flush=True)\ntime.sleep(60)"
    with subprocess.Popen(
        ["sh", "-c", 'python3 -c "$0"; true', code], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        process.stdout.read(2)
        seen = sample(process.pid)
        assert seen.threads == 2
        assert seen.memory_bytes > 20 << 20
        os.killpg(process.pid, signal.SIGKILL)
    assert sample(process.pid) is None
