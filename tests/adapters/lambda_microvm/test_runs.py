"""Programs in emulated MicroVMs, with the real server and the real runner in each."""

import asyncio
import time
from decimal import Decimal

import pytest

from host.errors import AdapterError
from host.interface import DisplayEvent, OutputEvent
from host.models import ExecutionRequest, File, Status
from host.testing.bench import Recorder
from tests.adapters.lambda_microvm.rig import OPEN, ran
from tests.emulators.faults import Fault

GREETINGS = {
    "python": "print('hi'); 6 * 7",
    "javascript": "console.log('hi'); result = 6 * 7",
    "typescript": "const n: number = 42; console.log('hi'); result = n",
    "bash": "echo hi; result=42",
    "sql": "select 42 as n",
    "elixir": 'IO.puts("hi")\n6 * 7',
}


async def test_every_language_runs(rig):
    """One image runs every language, each program in a MicroVM of its own that is ended afterwards."""
    adapter = await rig.adapter()
    results = await asyncio.gather(*(ran(adapter, code, language=name) for name, code in GREETINGS.items()))
    for name, result in zip(GREETINGS, results, strict=True):
        assert result.status is Status.SUCCEEDED, (name, result)
        value = result.value.rows[0][0] if name == "sql" else result.value
        assert str(value) == "42"
        assert name == "sql" or result.stdout == "hi\n"
    await rig.ended()
    assert rig.calls("RunMicrovm") == rig.calls("TerminateMicrovm") == len(rig.posts()) == len(GREETINGS)


async def test_values_files_and_displays(rig):
    """Typed inputs go in and typed values come out; files go both ways; what is displayed is told as it is shown."""
    adapter = await rig.adapter()
    code = """
from pathlib import Path
display({"text/html": "<b>3</b>", "text/plain": "3"}, raw=True)
Path("out.txt").write_text(Path("in.txt").read_text() * 2)
price * 3
"""
    emitted = Recorder()
    result = await ran(
        adapter, code, emit=emitted, inputs={"price": Decimal("1.10")}, files=(File(path="in.txt", content=b"ab"),)
    )
    assert (result.status, result.value) == (Status.SUCCEEDED, Decimal("3.30")), result
    assert [(file.path, file.content) for file in result.files] == [("out.txt", b"abab")]
    assert [event for event in emitted.events if isinstance(event, DisplayEvent)]


async def test_output_comes_while_the_program_runs(rig):
    """What a program writes is told before the program is over, in its order."""
    adapter = await rig.adapter()
    emitted = Recorder()
    code = "import os, time\nprint('one', flush=True)\nwhile not os.path.exists('/tmp/never'): time.sleep(0.01)"
    task = asyncio.create_task(ran(adapter, code, emit=emitted))
    await emitted.wait_for("one")
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    result = await ran(adapter, "for n in range(300): print(n)", emit=emitted)
    texts = "".join(event.text for event in emitted.events if isinstance(event, OutputEvent))
    assert texts == "one\n" + result.stdout
    assert result.stdout.split() == [str(n) for n in range(300)]


async def test_what_it_costs_is_said(rig):
    """A result carries the time of the MicroVM in processors and memory; without all prices no cost is made up."""
    adapter = await rig.adapter()
    result = await ran(adapter, "1")
    priced = result.usage.priced
    assert priced.quantities["gb_seconds"] == pytest.approx(2 * priced.quantities["vcpu_seconds"])
    assert priced.quantities["gb_seconds"] > 0
    assert priced.cost is None
    assert priced.prices_as_of is not None


@pytest.mark.parametrize("as_url", [True, False])
async def test_a_door_that_opens_late(rig, as_url):
    """First requests that are answered 502 are asked again; the program is sent once the server has answered."""
    rig.microvms.cold_requests = 3
    rig.microvms.as_url = as_url
    adapter = await rig.adapter()
    assert (await ran(adapter, "6 * 7")).value == 42
    assert len(rig.posts()) == 1


class Stalled(Fault):
    """After some pieces nothing more comes, though the program goes on."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self._pieces = pieces

    def through(self, pieces, stream):
        for number, piece in enumerate(pieces):
            if number >= self._pieces:
                self.released.wait(60)
            yield piece


async def test_the_host_holds_the_deadline_too(rig):
    """Where nothing is heard any more, the host ends the MicroVM when the program's time is up."""
    stalled = rig.account.fail("Endpoint", Stalled(2), when=lambda given: given["path"] == "/run")
    adapter = await rig.adapter()
    policy = OPEN.model_copy(update={"max_execution_time": 500})
    code = "print('said', flush=True)\nwhile True: print('x' * 1000)"
    result = await ran(adapter, code, policy)
    stalled.release()
    assert result.status is Status.TIMED_OUT, result
    assert result.may_have_started
    assert result.usage.wall_ms >= 500
    await rig.ended()


async def test_limits_end_the_program_inside(rig):
    """Time, memory, output and processes are held where the program runs, and its output so far is kept."""
    adapter = await rig.adapter()
    cases = {
        Status.TIMED_OUT: ("print('a', flush=True)\nwhile True: pass", {"max_execution_time": 300}),
        Status.OUT_OF_MEMORY: (
            "print('a', flush=True)\nx = []\nwhile True: x.append(bytearray(1 << 20))",
            {"max_memory_mb": 64},
        ),
        Status.OUTPUT_LIMIT: ("print('a', flush=True)\nwhile True: print('b' * 1000)", {"max_output_bytes": 10_000}),
    }
    results = await asyncio.gather(
        *(ran(adapter, code, OPEN.model_copy(update=limits)) for code, limits in cases.values())
    )
    for status, result in zip(cases, results, strict=True):
        assert result.status is status, result
        assert result.stdout.startswith("a\n")


async def test_folders_that_are_deeper_than_any_path(rig):
    """Below a path that is longer than the kernel takes no bytes can be hidden from the limits."""
    adapter = await rig.adapter()
    code = """
import os
made = 0
while made < 200:
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
    made += 1
for name in "abcd":
    with open(name, "wb") as file:
        file.write(bytes(600 << 10))
while True:
    pass
"""
    policy = OPEN.model_copy(update={"max_file_bytes": 1 << 20, "max_files": 1000, "max_execution_time": 10_000})
    result = await ran(adapter, code, policy)
    assert result.status is Status.KILLED, result.reason
    assert "max_file_bytes" in result.reason


async def test_inputs_without_a_form(rig):
    """What a language has no form for fails as the program's own fault, before it is sent."""
    adapter = await rig.adapter()
    result = await ran(adapter, "true", language="bash", inputs={"x": "a\0b"})
    assert result.status is Status.FAILED
    assert "NUL" in result.reason
    assert rig.posts() == []
    await rig.ended()


async def test_what_is_declined(rig):
    """Too much to send, another guest environment, more memory than there is, a network: declined with a remedy."""
    adapter = await rig.adapter()
    await ran(adapter, "1")
    sandboxed = OPEN.model_copy(update={"max_file_bytes": 1 << 30})
    big = File(path="big", content=bytes(65 << 20))
    cases = {
        "size": (ExecutionRequest(code="1", files=(big,)), sandboxed),
        "guest_environment": (ExecutionRequest(code="1"), OPEN.model_copy(update={"guest_environment": "data"})),
        "memory": (ExecutionRequest(code="1"), OPEN.model_copy(update={"max_memory_mb": 1 << 20})),
        "network": (ExecutionRequest(code="1"), OPEN.model_copy(update={"network_access": True})),
        "language": (ExecutionRequest(code="1", language="cobol"), OPEN),
    }
    for rule, (request, policy) in cases.items():
        refusal = adapter.accepts(request, policy)
        assert refusal is not None, rule
        assert refusal.rule == rule
        assert refusal.reason
    assert "68157443" in adapter.accepts(*cases["size"]).reason


async def test_a_guest_environment(rig):
    """Programs of a policy with a guest environment import its packages, where the image was deployed with it."""
    extra = OPEN.model_copy(update={"guest_environment": "extra"})
    adapter = await rig.adapter(guest_environment="extra")
    assert (await ran(adapter, "import extra_package; extra_package.ANSWER", extra)).value == 42
    other = await rig.adapter(guest_environment="data")
    with pytest.raises(AdapterError, match="has guest environment extra, and not data"):
        await ran(other, "1", OPEN.model_copy(update={"guest_environment": "data"}))
    assert len(rig.posts()) == 1


async def test_turns(rig):
    """No more programs run than may; the rest waits for its turn, and beyond that is declined."""
    adapter = await rig.adapter(max_running=2, max_waiting=1)
    tasks = [asyncio.create_task(ran(adapter, f"import time\ntime.sleep(0.2)\n{n}")) for n in range(3)]
    await asyncio.sleep(0)
    refusal = adapter.accepts(ExecutionRequest(code="1"), OPEN)
    assert refusal.rule == "busy"
    assert [result.value for result in await asyncio.gather(*tasks)] == [0, 1, 2]


async def test_64_at_once_and_the_loop_goes_on(rig):
    """Sixty-four programs at once all end well, and nothing of it keeps the event loop from its other work."""
    adapter = await rig.adapter(max_running=64)
    longest, ticking = 0.0, True

    async def tick() -> None:
        nonlocal longest
        while ticking:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    ticker = asyncio.create_task(tick())
    results = await asyncio.gather(*(ran(adapter, f"{n} * 2") for n in range(64)))
    ticking = False
    await ticker
    assert [result.value for result in results] == [2 * n for n in range(64)]
    assert longest < 5  # a call that blocks the loop would hold it for all of them
    assert len(rig.posts()) == 64


async def test_settings_that_are_wrong(rig):
    """A setting that is unknown or wrong is named."""
    with pytest.raises(AdapterError, match=r"adapters\.lambda_microvm\.warm"):
        await rig.adapter(warm=-1)
    with pytest.raises(AdapterError, match=r"adapters\.lambda_microvm\.wram"):
        await rig.adapter(wram=1)
    with pytest.raises(AdapterError, match="certificates"):
        await rig.adapter(ca_bundle="/nowhere.pem")
    rig.adapters.clear()
