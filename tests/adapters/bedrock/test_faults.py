"""Each fault at each step: what the caller gets, how often AWS was asked, and that nothing is left behind.

``ROWS`` is the table that docs/aws.md shows.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.aws.errors import AwsError
from adapters.aws.kinds import Kind
from adapters.aws.retries import Retries
from host.errors import AdapterError
from host.models import Status
from host.policy import Limits
from tests.adapters.bedrock.conftest import told
from tests.adapters.bedrock.emulated import OPEN
from tests.emulators import faults

STEPS = {
    "start": ("StartCodeInterpreterSession", None),
    "write": ("InvokeCodeInterpreter", lambda given: given["name"] == "writeFiles"),
    "make ready": ("InvokeCodeInterpreter", lambda given: "understudy.zip" in told(given)),
    "run": ("InvokeCodeInterpreter", lambda given: "enter.py run" in told(given)),
}
"""The calls of a run that finds no session waiting: the operation, and which calls of it."""

FAULTS = {
    "throttled (429)": faults.throttled,
    "quota (402)": faults.quota,
    "denied (403)": faults.denied,
    "expired credentials (403)": faults.expired_credentials,
    "internal error (500)": faults.internal,
    "unavailable (503)": faults.unavailable,
    "cut before": lambda: faults.cut("before"),
    "cut after": lambda: faults.cut("after"),
    "cut in the stream": lambda: faults.cut("middle"),
    "throttled in the stream": lambda: faults.event_error("ThrottlingException"),
    "denied in the stream": lambda: faults.event_error("AccessDeniedException"),
    "internal error in the stream, after it ran": lambda: faults.event_error("InternalServerException", executed=True),
}


@dataclass(frozen=True)
class Row:
    """What comes of a fault in the call that runs the program."""

    fault: str
    kind: Kind
    retryable: bool
    may_have_started: bool
    lost: bool


ROWS = (
    Row("throttled (429)", Kind.BUSY, True, False, False),
    Row("quota (402)", Kind.BUSY, True, False, False),
    Row("denied (403)", Kind.DENIED, False, False, False),
    Row("expired credentials (403)", Kind.CREDENTIALS, False, False, False),
    Row("internal error (500)", Kind.SERVICE_FAULT, True, True, True),
    Row("unavailable (503)", Kind.SERVICE_FAULT, True, True, True),
    Row("cut before", Kind.CUT, True, True, True),
    Row("cut after", Kind.CUT, True, True, True),
    Row("cut in the stream", Kind.CUT, True, True, True),
    Row("throttled in the stream", Kind.BUSY, True, True, False),
    Row("denied in the stream", Kind.DENIED, False, True, False),
    Row("internal error in the stream, after it ran", Kind.SERVICE_FAULT, True, True, True),
)
AGAIN = {Kind.BUSY, Kind.SERVICE_FAULT, Kind.CUT}
"""What is tried again where trying again is harmless."""


@pytest.fixture
async def quick(bedrock, monkeypatch):
    """An adapter that does not wait long before it tries again."""
    bedrock.adapter._calls._retries = Retries(first_wait_s=0.01, longest_wait_s=0.02)
    return bedrock


def fail(bedrock, step: str, fault: str, **only: Any):
    """Set a fault for a step."""
    operation, when = STEPS[step]
    return bedrock.account.fail(operation, FAULTS[fault](), when=when, **only)


def asked(bedrock, step: str) -> int:
    """How often AWS was asked for a step."""
    operation, when = STEPS[step]
    return len(bedrock.account.log.calls(operation, when=when))


def test_every_fault_has_a_row():
    """The table leaves no fault out."""
    assert {row.fault for row in ROWS} == set(FAULTS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
async def test_in_the_run_itself(quick, row):
    """The program is sent once, whatever happens; the error says whether it may have run; its session is stopped."""
    fail(quick, "run", row.fault)
    with pytest.raises(AwsError) as caught:
        await quick.run("42")
    error = caught.value
    assert (error.kind, error.retryable) == (row.kind, row.retryable)
    assert (error.may_have_started, error.lost) == (row.may_have_started, row.lost)
    assert asked(quick, "run") == 1
    assert quick.service.running() == []


async def test_no_answer_in_time(quick, monkeypatch):
    """Where no answer comes, the program is sent once and lost."""
    monkeypatch.setattr("adapters.bedrock.run.GRACE_S", 0.2)
    operation, when = STEPS["run"]
    stuck = quick.account.fail(operation, faults.stuck(), when=when)
    with pytest.raises(AdapterError) as caught:
        await quick.run("42", limits=Limits(max_execution_time=200))
    assert (caught.value.may_have_started, caught.value.lost) == (True, True)
    assert asked(quick, "run") == 1
    assert quick.service.running() == []
    stuck.release()


_BEFORE = [
    (step, row)
    for step in ("start", "write", "make ready")
    for row in ROWS
    if "stream" not in row.fault or step != "start"
]


@pytest.mark.parametrize(("step", "row"), _BEFORE, ids=[f"{step}-{row.fault}" for step, row in _BEFORE])
async def test_before_the_run_and_once(quick, step, row):
    """Before anything runs a fault that passes is got over by trying again; what does not pass is told at once."""
    fail(quick, step, row.fault, calls=[1])
    if row.kind in AGAIN:
        assert (await quick.run("42")).value == 42
        assert asked(quick, step) == 2
    else:
        with pytest.raises(AwsError) as caught:
            await quick.run("42")
        assert (caught.value.kind, caught.value.may_have_started) == (row.kind, False)
        assert asked(quick, step) == 1
    await quick.nothing_runs()
    assert len(quick.service.sessions) <= 2, "one was started, beside that of the set-up"


@pytest.mark.parametrize(("step", "row"), _BEFORE, ids=[f"{step}-{row.fault}" for step, row in _BEFORE])
async def test_before_the_run_and_for_good(quick, step, row):
    """A fault that stays is told after four tries; nothing of the caller's has run, and nothing is left."""
    fault = fail(quick, step, row.fault)
    with pytest.raises(AwsError) as caught:
        await quick.run("42")
    assert (caught.value.kind, caught.value.may_have_started, caught.value.lost) == (row.kind, False, False)
    assert fault.hits == (4 if row.kind in AGAIN else 1)
    assert asked(quick, "run") == 0
    await quick.nothing_runs()


async def test_a_start_whose_answer_was_lost_leaves_no_session(quick):
    """Where starts were cut after they had started one, it is found by its name and stopped."""
    fail(quick, "start", "cut after")
    with pytest.raises(AwsError):
        await quick.run("42")
    await quick.nothing_runs()
    assert len(quick.account.log.calls("ListCodeInterpreterSessions")) == 1


@pytest.mark.parametrize("fault", [name for name in FAULTS if "stream" not in name])
async def test_in_the_stop(quick, fault):
    """A stop that fails spoils no result; it is tried again, later too, until the session is known to have ended."""
    set_fault = quick.account.fail("StopCodeInterpreterSession", FAULTS[fault]())
    assert (await quick.run("42")).value == 42
    async with asyncio.timeout(10):
        while quick.adapter._sessions._tasks:
            await asyncio.sleep(0.01)
    assert set_fault.hits >= 1
    assert len(quick.service.running()) == (0 if fault == "cut after" else 1)
    set_fault.remove()
    await quick.adapter._sessions.tidy()
    await quick.nothing_runs()
    async with asyncio.timeout(10):
        while quick.adapter._sessions.count:
            await asyncio.sleep(0.01)


async def test_a_stop_of_what_has_ended(quick):
    """A session that AWS has ended by itself counts as stopped."""
    await quick.adapter.open("s", "python", OPEN)
    fault = quick.account.fail("StopCodeInterpreterSession", faults.error("ResourceNotFoundException"))
    quick.service.running()[0].end()
    await quick.adapter.close("s")
    assert fault.hits == 1
    assert quick.adapter._sessions.count == 0


async def test_no_network(quick, monkeypatch, start, state_dir):
    """Where the service cannot be reached nothing was sent, and the error names both causes."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", quick.account.nowhere)
    bedrock = await start(owner="offline")
    bedrock.adapter._calls._retries = Retries(first_wait_s=0.01, longest_wait_s=0.02)
    with pytest.raises(AwsError) as caught:
        await bedrock.run("42")
    assert (caught.value.kind, caught.value.may_have_started) == (Kind.UNREACHABLE, False)
    assert "does not have the service" in caught.value.remedy
    await bedrock.adapter.aclose()


@pytest.mark.parametrize("fault", ["throttled (429)", "cut after", "internal error in the stream, after it ran"])
async def test_in_a_command_of_a_session(quick, fault):
    """A command is sent once; where its fate is unknown or it was refused, its session is over and stopped."""
    await quick.adapter.open("s", "python", OPEN)
    quick.account.fail("InvokeCodeInterpreter", FAULTS[fault](), when=lambda given: "obey" in told(given))
    with pytest.raises(AwsError) as caught:
        await quick.command("s", "1")
    assert caught.value.may_have_started is (fault != "throttled (429)")
    assert len(quick.sent("_understudy.obey")) == 1
    assert not quick.adapter.alive("s")
    await quick.nothing_runs()


async def test_credentials_are_nowhere(quick, capsys, caplog):
    """Whatever fails, no message, no log and no result has a credential in it."""
    identity = quick.account.identity
    secrets = (identity.access_key, identity.secret_key, identity.token)
    said = []
    for fault in FAULTS:
        set_fault = fail(quick, "run", fault)
        with pytest.raises(AdapterError) as caught:
            await quick.run("42")
        set_fault.remove()
        said.append(f"{caught.value!r} {caught.value} {caught.value.__dict__}")
        assert caught.value.__cause__ is None
    leak = quick.account.fail(
        "InvokeCodeInterpreter", faults.error("ConflictException", f"key {secrets[0]} token {secrets[2]}")
    )
    with pytest.raises(AdapterError) as caught:
        await quick.run("42")
    leak.remove()
    quick.account.identity.expired = True
    check = await quick.adapter.check()
    quick.account.identity.expired = False
    printed = capsys.readouterr()
    said += [str(caught.value), check.model_dump_json(), printed.out, printed.err, caplog.text]
    assert not [secret for secret in secrets if any(secret in text for text in said)]
    result = await quick.run("import os\nresult = dict(os.environ)")
    assert (result.status, set(result.value)) == (Status.SUCCEEDED, {"HOME", "LANG", "PATH", "TMPDIR"})
    assert not [secret for secret in secrets if secret in str(result)]
