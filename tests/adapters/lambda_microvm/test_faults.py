"""What can go wrong with AWS and on the way there: nothing is ever sent twice, and nothing is left behind."""

import asyncio

import pytest

from host.errors import AdapterError
from host.testing.bench import Recorder
from tests.adapters.lambda_microvm.rig import ran
from tests.emulators import faults

MARKER = "open('ran', 'a').close()\n6 * 7"


def posting(given):
    """Requests that carry a program."""
    return given["method"] == "POST"


def asking(given):
    """Requests that ask whether the server is there."""
    return given["method"] == "GET"


async def outcome(adapter) -> AdapterError | None:
    """The error of a run; None where it went well."""
    try:
        assert (await ran(adapter, MARKER)).value == 42
    except AdapterError as error:
        return error
    return None


ONCE = {
    "throttled": faults.throttled,
    "internal error": faults.internal,
    "unavailable": faults.unavailable,
    "cut before": lambda: faults.cut("before"),
    "cut after": lambda: faults.cut("after"),
}
OPERATIONS = ("RunMicrovm", "CreateMicrovmAuthToken", "TerminateMicrovm")


@pytest.mark.parametrize("fault", ONCE)
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_fault_that_passes(rig, operation, fault):
    """A call that may be made twice is made again; the program runs once, in one MicroVM, which is ended."""
    rig.account.fail(operation, ONCE[fault](), calls=[1])
    adapter = await rig.adapter()
    assert await outcome(adapter) is None
    await rig.ended()
    assert len(rig.posts()) == 1
    tokens = {call.input["clientToken"] for call in rig.account.log.calls("RunMicrovm")}
    assert len(tokens) == 1


LASTING = {
    "denied": (faults.denied, "lambda:{operation}"),
    "expired credentials": (faults.expired_credentials, "expired"),
    "invalid": (lambda: faults.error("ValidationException", "No."), "No"),
}


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("operation", ["RunMicrovm", "CreateMicrovmAuthToken"])
async def test_a_fault_that_lasts(rig, operation, fault):
    """What does not pass is an error that says what is wrong; nothing was sent, and nothing runs on."""
    made, word = LASTING[fault]
    rig.account.fail(operation, made())
    adapter = await rig.adapter()
    error = await outcome(adapter)
    assert word.format(operation=operation) in str(error)
    assert not error.may_have_started
    assert not error.lost
    assert rig.posts() == []
    await rig.ended()


async def test_a_quota_that_is_used_up(rig):
    """Where the account may have no more MicroVMs, the error says so and that another try may help."""
    rig.microvms.most = 0
    error = await outcome(await rig.adapter())
    assert "ServiceQuotaExceededException" in str(error)
    assert error.retryable
    assert not error.may_have_started
    assert rig.posts() == []


async def test_no_such_image(rig):
    """An image that is not there is named, with the command that makes it."""
    error = await outcome(await rig.adapter(image="another"))
    assert "another" in str(error)
    assert "understudy deploy microvm" in str(error)
    arn = rig.account.arn("lambda", "microvm-image:another")
    error = await outcome(await rig.adapter(image=arn))
    assert "understudy deploy microvm" in str(error)
    assert not error.may_have_started


async def test_a_start_in_doubt_is_undone(rig):
    """Where nobody says whether a MicroVM was started, its client token finds it, and it is ended."""
    fault = rig.account.fail("RunMicrovm", faults.cut("after"))
    adapter = await rig.adapter()
    error = await outcome(adapter)
    assert not error.may_have_started
    assert len(rig.microvms.living()) == 1
    fault.remove()
    await adapter.aclose()
    assert rig.microvms.living() == []
    assert {call.input["clientToken"] for call in rig.account.log.calls("RunMicrovm")} != set()


ON_THE_WAY = {
    "cut before it is there": (lambda: faults.cut("before"), True),
    "cut after it was taken": (lambda: faults.cut("after"), True),
    "cut while it answers": (lambda: faults.cut("middle"), True),
    "502": (lambda: faults.error("BadGateway", "Bad Gateway", status=502), True),
    "503": (lambda: faults.error("Unavailable", "Later.", status=503), True),
    "504": (lambda: faults.error("Timeout", "Late.", status=504), True),
    "500": (lambda: faults.error("Internal", "Oh.", status=500), True),
    "403, as with a token that has expired": (lambda: faults.error("Forbidden", "No.", status=403), False),
    "401": (lambda: faults.error("Unauthorized", "No.", status=401), False),
    "429": (lambda: faults.error("Throttled", "Slow down.", status=429), False),
    "302": (lambda: faults.error("Found", "Elsewhere.", status=302), True),
}


@pytest.mark.parametrize("fault", ON_THE_WAY)
async def test_a_program_is_sent_once(rig, fault):
    """Whatever happens to the request that carries a program, it is not sent again, and its MicroVM is ended."""
    made, may_have_started = ON_THE_WAY[fault]
    rig.account.fail("Endpoint", made(), when=posting)
    adapter = await rig.adapter()
    error = await outcome(adapter)
    assert error is not None
    assert (error.may_have_started, error.lost) == (may_have_started, may_have_started), error
    assert len(rig.posts()) == 1
    assert rig.microvms.living() == []


@pytest.mark.parametrize("fault", ["cut before", "cut after", "unavailable"])
async def test_asking_is_repeated(rig, fault):
    """Whether the server is there is asked until it answers."""
    rig.account.fail("Endpoint", ONCE[fault](), when=asking, calls=[1, 2])
    assert await outcome(await rig.adapter()) is None
    assert len(rig.posts()) == 1


async def test_a_door_that_stays_shut(rig):
    """A MicroVM that never answers is given up in time, with what was last heard of it, and ended."""
    rig.account.fail("Endpoint", faults.error("BadGateway", "Bad Gateway", status=502), when=asking)
    error = await outcome(await rig.adapter(start_timeout_s=1.5))
    assert "502" in str(error)
    assert "start_timeout_s" in str(error)
    assert error.retryable
    assert not error.may_have_started
    assert rig.microvms.living() == []


async def test_a_microvm_that_dies_young(rig):
    """One that AWS ends before it was ready is given up at once, with AWS's reason."""
    shut = rig.account.fail("Endpoint", faults.error("BadGateway", "Bad Gateway", status=502), when=asking)
    adapter = await rig.adapter(start_timeout_s=60)

    task = asyncio.create_task(outcome(adapter))
    await asyncio.to_thread(shut.struck.wait, 20)
    (microvm,) = rig.microvms.living()
    await asyncio.to_thread(rig.microvms.machine(microvm).terminate, "Run lifecycle hook returned HTTP status 500.")
    error = await task
    assert "Run lifecycle hook returned HTTP status 500." in str(error)
    assert rig.posts() == []


async def test_a_microvm_that_is_ended_while_it_runs(rig):
    """Where somebody else ends the MicroVM, the run is lost and not repeated."""
    adapter = await rig.adapter()
    emitted = Recorder()
    task = asyncio.create_task(ran(adapter, "import time\nprint('on', flush=True)\ntime.sleep(60)", emit=emitted))
    await emitted.wait_for("on")
    (microvm,) = rig.microvms.living()
    await asyncio.to_thread(rig.microvms.machine(microvm).terminate, "by hand")
    with pytest.raises(AdapterError) as raised:
        await task
    assert (raised.value.lost, raised.value.may_have_started) == (True, True)
    assert len(rig.posts()) == 1


async def test_a_stranger_at_the_door(rig, monkeypatch):
    """A certificate that is not trusted ends it before anything is sent."""
    monkeypatch.delenv("AWS_CA_BUNDLE")
    error = await outcome(await rig.adapter())
    assert "certificate" in str(error).lower()
    assert "ca_bundle" in str(error)
    assert not error.may_have_started
    assert rig.account.log.calls("Endpoint") == []


async def test_an_image_of_another_version(rig, monkeypatch):
    """A MicroVM of an image that another version has made takes no program of ours."""
    monkeypatch.setattr("adapters.lambda_microvm.machine.package_hash", lambda: "0" * 64)
    error = await outcome(await rig.adapter())
    assert "another version" in str(error)
    assert "understudy deploy microvm" in str(error)
    assert rig.posts() == []


async def test_another_way_out(rig):
    """Where a connector is to keep the network shut and AWS has taken another, no program is sent."""
    connector = "arn:aws:lambda:us-east-1:123456789012:network-connector:sealed"
    adapter = await rig.adapter(egress_connector=connector)
    assert await outcome(adapter) is None
    (call,) = rig.account.log.calls("RunMicrovm")
    assert call.input["egressNetworkConnectors"] == [connector]
    await rig.ended()

    def otherwise(call):
        shown = original(call)
        return {
            **shown,
            "egressNetworkConnectors": ["arn:aws:lambda:us-east-1:aws:network-connector:x:INTERNET_EGRESS"],
        }

    original, rig.microvms.run_microvm = rig.microvms.run_microvm, otherwise
    error = await outcome(adapter)
    assert "another way out" in str(error)
    assert len(rig.posts()) == 1


async def test_termination_goes_on_until_it_is_done(rig, monkeypatch):
    """A MicroVM that cannot be ended now is ended later, and stays written down until it is."""
    monkeypatch.setattr("adapters.lambda_microvm.fleet._AGAIN_S", 0.05)
    fault = rig.account.fail("TerminateMicrovm", faults.internal())
    adapter = await rig.adapter()
    assert await outcome(adapter) is None
    await asyncio.to_thread(rig.account.log.wait, "TerminateMicrovm", 6)
    assert len(list((rig.folder / "lambda_microvm" / "started").iterdir())) == 1
    fault.remove()
    await rig.ended()
    await adapter.aclose()
    assert list((rig.folder / "lambda_microvm" / "started").iterdir()) == []
