"""The door: what reaches the worker, what that can bear, and what is remembered."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.models import Verdict
from policies.readers import READERS
from policies.validation import Door, door

LANGUAGES = sorted(READERS)


@pytest.fixture
async def here(validate):
    """The running loop's door, with nothing remembered."""
    return door()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_long_code_gets_the_same_verdict_from_the_worker(validate, language):
    """A program that is too long to read in place is read in a worker, and judged the same."""
    comment = {"python": "# ", "bash": "# ", "elixir": "# ", "sql": "-- "}.get(language, "// ")
    denied = {
        "python": "import os",
        "bash": "ls",
        "elixir": "File.cwd()",
        "sql": "LOAD x",
        "javascript": "import 'fs'",
        "typescript": "import 'fs'",
    }[language]
    short = await validate(denied, language)
    long = await validate(f"{denied}\n{comment}{'x' * 20_000}\n", language)
    assert short.verdict == "denied"
    assert long == short


async def test_a_language_without_a_reader_is_left_to_others(here, named):
    """None is the answer for a language that is not known here."""
    assert here.validate("1", "cobol", named["strict"]) is None


async def test_code_over_the_size_limit_is_denied_unread(here, named):
    """The reason names size and limit, and there is a remedy."""
    verdict = here.validate("é" * 600_000, "python", named["strict"])
    assert verdict.verdict == "denied"
    (risk,) = verdict.risks
    assert risk.rule == "code-too-large"
    assert "1200000" in risk.message
    assert "1048576" in risk.message
    assert risk.remedy


async def test_verdicts_are_remembered_by_code_language_and_policy(here, named):
    """The same question gets the same object; another policy or language is another question."""
    first = here.validate("import os", "python", named["strict"])
    assert here.validate("import os", "python", named["strict"]) is first
    assert here.validate("import os", "python", named["standard"]).verdict == "safe"
    tightened = named["standard"].model_copy(update={"allowed_imports": ("math",)})
    assert (
        here.validate("import os", "python", type(tightened).model_validate(tightened.model_dump())).verdict == "denied"
    )


async def test_what_takes_the_worker_too_long_is_denied_and_the_next_is_served(validate, here, named):
    """The deadline kills the worker; the reason says so; a new worker answers the next request."""
    hurried = named["strict"].model_copy(update={"max_execution_time": 150})
    verdict = await validate("1;" * 400_000, policy=hurried)
    assert verdict.verdict == "denied"
    (risk,) = verdict.risks
    assert risk.rule == "too-complex"
    assert "150 ms" in risk.message
    assert (await validate("x = 1 #" + "x" * 20_000)).verdict == "safe"


async def test_what_takes_the_worker_too_much_memory_is_denied(validate, here, monkeypatch):
    """Parsing that runs out of the worker's memory denies the run and harms nothing else."""
    import policies.pool
    import policies.worker

    monkeypatch.setattr("policies.pool._BOOT", policies.pool._BOOT + f"worker.MEMORY_BYTES = {80 << 20}; ")
    assert policies.worker.MEMORY_BYTES > 80 << 20
    verdict = await validate("1;" * 300_000)
    assert [risk.rule for risk in verdict.risks] == ["too-complex"]
    assert (await validate("x = 1 #" + "x" * 20_000)).verdict == "safe"


async def test_the_loop_is_free_while_a_worker_parses(validate):
    """While long code is parsed, the event loop goes on with other work."""
    beats = 0
    task = asyncio.ensure_future(validate("x = [" + "1, " * 10_000 + "]"))
    while not task.done():
        await asyncio.sleep(0)
        beats += 1
    assert (await task).verdict == "safe"
    assert beats > 10


async def test_a_cancelled_validation_leaves_no_worker_in_a_muddle(validate, here):
    """Cancelling ends the worker that was busy; the next answer belongs to the next question."""
    task = asyncio.ensure_future(validate("import os\n" + "1;" * 300_000))
    while here._pool is None or here._pool._slots._value == 2:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await validate("x = 1 #" + "x" * 20_000)).risks == ()


async def test_a_worker_that_was_killed_while_idle_is_replaced(validate, here):
    """Whoever kills an idle worker costs nobody a verdict."""
    await validate("x = 1 #" + "x" * 20_000)
    (worker,) = here._pool._idle["python"]
    os.kill(worker.pid, signal.SIGKILL)
    await worker.wait()
    assert (await validate("x = 2 #" + "x" * 20_000)).verdict == "safe"


async def test_closing_leaves_no_worker_behind(validate, here):
    """A worker that is busy when the door closes is ended with its answer; the idle ones at once."""
    await validate("x = 1 #" + "x" * 20_000)
    pool = here._pool
    (worker,) = pool._idle["python"]
    slow = asyncio.ensure_future(validate("[" + "1, " * 30_000 + "]"))
    while pool._idle["python"]:
        await asyncio.sleep(0)
    await here.aclose()
    assert (await slow).verdict == "safe"
    assert pool._idle == {"python": []}
    assert worker.returncode is not None


async def test_many_at_once_share_two_workers(validate, here):
    """Twenty long programs at a time are all answered, by no more than two workers."""
    codes = [f"import m{number} #" + "x" * 20_000 for number in range(20)]
    verdicts = await asyncio.gather(*map(validate, codes))
    assert [verdict.risks[0].message.split("`")[1] for verdict in verdicts] == [f"m{n}" for n in range(20)]
    assert len(here._pool._idle["python"]) <= 2


async def test_risks_are_capped(validate):
    """A program with thousands of faults gets the first hundred, denials first, and the number of the rest."""
    verdict = await validate("\n".join(f"import m{number}" for number in range(3000)))
    assert verdict.verdict == "denied"
    assert len(verdict.risks) == 101
    assert "2900 more" in verdict.risks[-1].message


HOSTILE = {
    "python": [
        "-" * 8000 + "1",
        "(" * 8000,
        "f'{" * 150,
        "x" + "()" * 3000,
        "lambda:" * 1100 + "1",
        "\0",
        "\ufeff1",
        "\f\x0b",
    ],
    "javascript": ["(" * 4000, "`${" * 1300, '"' * 4000, "a=>" * 1300, "/" * 4000, "\0", "\ufeff1", "x\u2028y"],
    "typescript": ["a<b<" * 1000, "(" * 4000, "`asimport@/<}type@/<}" * 90, "type=,}" * 500],
    "bash": ["<" * 4000, "$(" * 2000, "a*A=(" + "A=(" * 1300, "<<$)" * 1000, "cat <<A\n" * 500, "\0"],
    "elixir": ["a:xa:>>;@" * 400, "xnotdefelse1..when" * 200, "fn -> " * 650, '"#{' * 1300, "\0"],
    "sql": [
        "(" * 1000,
        "select " + "(" * 900,
        ":tableas" * 125,
        "create" * 150,
        "case when " * 100,
        "\0",
        "'" * 999,
        "''",
        '""; ; ""',
    ],
}


@pytest.mark.parametrize(("language", "code"), [(name, code) for name, codes in HOSTILE.items() for code in codes])
async def test_hostile_code_gets_an_answer(validate, language, code):
    """Deep, broken and odd code of every language ends in a verdict: an error or a denial with its reason, or safe."""
    verdict = await validate(code, language)
    assert isinstance(verdict, Verdict)
    if verdict.verdict == "denied":
        assert verdict.risks[0].message
    if verdict.error is not None:
        assert verdict.error.line >= 1
        assert verdict.error.column >= 1


ODD_TEXT = st.lists(
    st.text(max_size=8) | st.sampled_from([*"(){}[]<>'\"`$#;:=,.\n\\ ", "import ", "select ", "do ", "end "]),
    max_size=40,
).map("".join)


@pytest.fixture(scope="module")
def ask_on_one_loop(named):
    """Validation on a loop of its own, so that one worker serves many examples."""
    with asyncio.Runner() as runner:

        async def ask(code, language):
            answer = door().validate(code, language, named["strict"])
            return answer if isinstance(answer, Verdict) else await answer

        async def close():
            await door().aclose()

        yield lambda code, language: runner.run(ask(code, language))
        runner.run(close())


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(code=ODD_TEXT)
def test_any_text_gets_a_verdict(ask_on_one_loop, language, code):
    """No text, however odd, brings anything but a verdict: safe, an error with its place, or a reasoned denial."""
    verdict = ask_on_one_loop(code, language)
    if verdict.verdict == "denied":
        assert verdict.risks[0].message
    if verdict.error is not None:
        assert verdict.error.line >= 1
        assert verdict.error.column >= 1


async def test_a_parser_that_crashes_takes_nothing_with_it(validate):
    """Five bytes that crash the Bash grammar on many machines end in a verdict; the next program is judged as ever."""
    for _ in range(3):
        verdict = await validate("{\U00031860", "bash")
        assert verdict.verdict in ("safe", "denied")
        assert verdict.error is not None or verdict.risks
    assert (await validate("echo 1", "bash")).verdict == "safe"


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="limits are read from /proc, which only Linux has")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_worker_is_shut_in(validate, here, language):
    """A worker can open no file and start no process, gains no privileges, and is not root even where the host is."""
    await validate("1 " + "x" * 20_000, language)
    (worker,) = here._pool._idle[language]
    limits = Path(f"/proc/{worker.pid}/limits").read_text()
    status = Path(f"/proc/{worker.pid}/status").read_text()
    for name in ("open files", "processes", "file size", "core file size"):
        assert re.search(rf"^Max {name} +0 ", limits, re.MULTILINE)
    assert "NoNewPrivs:\t1" in status
    assert "\nUid:\t0\t" not in status
    if os.geteuid() == 0:
        assert os.readlink(f"/proc/{worker.pid}/ns/net") != os.readlink("/proc/self/ns/net")


async def test_the_smallest_limit_of_the_hosts_on_a_loop_counts():
    """Hosts that share an event loop share the door: the smallest size limit holds, until its host leaves."""

    class Section:
        def __init__(self, size):
            self.max_code_bytes = size
            self.worker_deadline_ms = 1000

    class Host:
        policies = {}

        def __init__(self, size):
            self.settings = type("Settings", (), {"policies": Section(size)})

    shared = Door()
    large, small = Host(1000), Host(10)
    shared.enter(large)
    shared.enter(small)
    assert shared._max_code_bytes == 10
    await shared.leave(small)
    assert shared._max_code_bytes == 1000
    await shared.leave(large)


async def test_short_python_takes_no_worker(validate, here):
    """A computation of ordinary size is judged in place: no process is started for it."""
    before = time.process_time()
    for number in range(200):
        assert (await validate(f"sum(range({number}))")).verdict == "safe"
    assert here._pool is None
    assert time.process_time() >= before


def test_a_large_host_keeps_its_workers():
    """A worker is retired for what it has grown by itself; the peak that it inherits of a large host does not count."""
    program = (
        "import asyncio\n"
        "from policies.pool import ParsingPool\n"
        "large = bytearray(400 << 20)\n"
        "large[::4096] = b'x' * len(large[::4096])\n"
        "async def main():\n"
        "    pool = ParsingPool()\n"
        "    await pool.read('x = 1', 'python', 30)\n"
        "    print(len(pool._idle['python']))\n"
        "    await pool.aclose()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "1\n"


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "later(x) + y\nawait task\ndel z"),
        ("javascript", "later(x) + await y"),
        ("typescript", "later(x)! as number"),
        ("sql", "INSERT INTO earlier SELECT a FROM other WHERE b = $p; COMMIT"),
    ],
)
async def test_names_that_the_code_does_not_define_are_no_fault(validate, language, code):
    """A command of a session uses what earlier ones made, which validation does not see."""
    verdict = await validate(code, language)
    assert (verdict.verdict, verdict.risks, verdict.error) == ("safe", (), None)
