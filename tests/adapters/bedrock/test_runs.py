"""One program in one session: values, files, displays, limits, and what becomes of the session."""

import os
from datetime import date, timedelta
from decimal import Decimal

import pytest

from adapters.bedrock import orders, run
from host.models import ExecutionRequest, File, Status
from host.policy import FileSystemAccess, Limits
from host.values import Table
from tests.adapters.bedrock.emulated import OPEN


@pytest.mark.parametrize(
    ("language", "code", "value"),
    [
        ("python", "print('hello')\n6 * 7", 42),
        ("javascript", "console.log('hello'); result = 6 * 7", 42),
        ("typescript", "console.log('hello'); const n: number = 42; result = n", 42),
        ("bash", "echo hello; result=42", "42"),
    ],
)
async def test_every_language_runs(bedrock, language, code, value):
    """A program of each language runs, with its output and its value; the session is its own, and is stopped."""
    result = await bedrock.run(code, language)
    assert (result.status, result.value, result.stdout) == (Status.SUCCEEDED, value, "hello\n")
    await bedrock.nothing_runs()
    assert len(bedrock.account.log.calls("StartCodeInterpreterSession")) == 1
    assert len(bedrock.account.log.calls("StopCodeInterpreterSession")) == 1
    assert len(bedrock.sent("enter.py run")) == 1


async def test_sql_runs(bedrock):
    """SQL runs on the DuckDB that is there."""
    result = await bedrock.run("SELECT $a + 1 AS b", "sql", inputs={"a": 41})
    assert (result.status, result.value) == (Status.SUCCEEDED, Table(["b"], [[42]]))


async def test_values_keep_their_type(bedrock):
    """What goes in and comes out is typed."""
    given = {"price": Decimal("1.10"), "day": date(2026, 11, 21), "time": timedelta(minutes=3), "raw": b"\0\xff"}
    result = await bedrock.run("result = [price * 2, day, time, raw]", inputs=given)
    assert result.value == [Decimal("2.20"), date(2026, 11, 21), timedelta(minutes=3), b"\0\xff"]


async def test_files_go_both_ways(bedrock):
    """Files of the request are in the work folder, and what the program leaves there comes out, bytes as they are."""
    blob = os.urandom(300_000)
    result = await bedrock.run(
        "data = open('in/a.bin', 'rb').read()\nopen('out.bin', 'wb').write(data[::-1])\nlen(data)",
        files=(File(path="in/a.bin", content=blob),),
    )
    assert (result.status, result.value) == (Status.SUCCEEDED, len(blob))
    assert {file.path: file.content for file in result.files} == {"out.bin": blob[::-1]}


async def test_a_job_that_is_too_long_for_a_command_goes_as_a_file(bedrock):
    """What does not fit into a command is written beside it first, and the program finds it whole."""
    words = [os.urandom(8).hex() for _ in range(20_000)]
    result = await bedrock.run("result = [len(words), words[-1]]", inputs={"words": words})
    assert result.value == [20_000, words[-1]]
    assert all(len(call.input["arguments"]["command"]) < 128 * 1024 for call in bedrock.sent("enter.py run"))


async def test_a_long_answer_comes_in_pieces(bedrock, monkeypatch):
    """What is not printed at once is fetched piece by piece, and the program is not run again for it."""
    monkeypatch.setattr(run, "FIRST", 100_000)
    result = await bedrock.run("import random\nresult = random.Random(1).randbytes(400_000)")
    assert (result.status, len(result.value)) == (Status.SUCCEEDED, 400_000)
    assert len(bedrock.sent("tail -c")) >= 4
    assert len(bedrock.sent("enter.py run")) == 1


async def test_what_has_no_room_in_the_answer_is_named(start):
    """Files for which the answer has no room are left out, and named."""
    bedrock = await start(answer_bytes=1_000_000)
    code = "import random\nopen('big', 'wb').write(random.Random(1).randbytes(900_000))\nopen('small', 'w').write('x')"
    result = await bedrock.run(code)
    assert (result.status, [file.path for file in result.files]) == (Status.SUCCEEDED, ["small"])
    assert "no room for it in the answer" in result.reason
    await bedrock.adapter.aclose()


async def test_pictures_are_displays(bedrock):
    """A figure of matplotlib comes out as on every wall, on the packages that AWS has there."""
    policy = OPEN.model_copy(update={"name": "data", "guest_environment": "data", "max_memory_mb": 768})
    code = (
        "import numpy, pandas, matplotlib.pyplot as p\np.plot(numpy.arange(3))\np.show()\nint(pandas.Series([42])[0])"
    )
    result = await bedrock.run(code, policy=policy)
    assert (result.status, result.value) == (Status.SUCCEEDED, 42), result
    assert "image/png" in result.displays[0].data


async def test_packages_are_there_only_where_the_policy_says_so(bedrock):
    """Under guest_environment base the packages of AWS are not to be found."""
    result = await bedrock.run("import numpy")
    assert result.status is Status.FAILED
    assert "No module named 'numpy'" in result.stderr


@pytest.mark.parametrize(
    ("code", "limits", "status"),
    [
        ("1 / 0", {}, Status.FAILED),
        ("import sys; sys.exit(3)", {}, Status.FAILED),
        ("print('here', flush=True)\nwhile True: pass", {"max_execution_time": 500}, Status.TIMED_OUT),
        ("print('here', flush=True)\nwhile True: pass", {"max_cpu_time": 300}, Status.TIMED_OUT),
        ("x = []\nwhile True: x.append(bytearray(1 << 20))", {"max_memory_mb": 64}, Status.OUT_OF_MEMORY),
        ("while True: print('x' * 1000)", {"max_output_bytes": 10_000}, Status.OUTPUT_LIMIT),
        ("import os; os.kill(os.getpid(), 9)", {}, Status.KILLED),
    ],
)
async def test_every_end_has_its_status(bedrock, code, limits, status):
    """Failures and limits are results, judged from outside the program, with what came out before."""
    result = await bedrock.run(code, limits=Limits(**limits))
    assert result.status is status, result
    if "here" in code:
        assert result.stdout == "here\n"


async def test_inputs_without_a_form_are_the_programs_failure(bedrock):
    """What Bash cannot take fails before anything is sent."""
    result = await bedrock.run("echo", "bash", inputs={"a": "\0"})
    assert (result.status, result.may_have_started) == (Status.FAILED, False)
    assert bedrock.account.log.calls() == []


async def test_what_it_costs(bedrock):
    """A result has the most that AWS can charge: the machine's size times the time that it was ours."""
    priced = (await bedrock.run("import time; time.sleep(1.2)")).usage.priced
    assert priced.quantities["gb_seconds"] == pytest.approx(4 * priced.quantities["vcpu_seconds"], abs=0.01)
    assert priced.quantities["gb_seconds"] > 8 * 1.2
    expected = sum(
        Decimal(str(priced.quantities[name])) * price / 3600
        for name, price in (("vcpu_seconds", Decimal("0.0895")), ("gb_seconds", Decimal("0.00945")))
    )
    assert abs(priced.cost - expected) < Decimal("1e-9")
    assert (priced.currency, priced.prices_as_of.year) == ("USD", 2026)


@pytest.mark.parametrize(
    ("request_fields", "policy_fields", "rule"),
    [
        ({"language": "elixir"}, {}, "language"),
        ({}, {"network_access": True}, "network"),
        ({}, {"guest_environment": "geo"}, "guest-environment"),
        ({"files": (File(path="a", content=b"x"),)}, {"file_system_access": FileSystemAccess.NONE}, "files"),
        ({"inputs": {"a": "x" * 51_000_000}}, {}, "payload"),
    ],
)
async def test_what_it_declines(bedrock, request_fields, policy_fields, rule):
    """What cannot run there is declined before anything is sent, with its reason; what is too large, with its size."""
    request = ExecutionRequest(code="", **request_fields)
    refusal = bedrock.adapter.accepts(request, OPEN.model_copy(update=policy_fields))
    assert refusal.rule == rule
    assert refusal.reason
    if rule == "payload":
        assert "51000" in refusal.reason
    assert bedrock.account.log.calls() == []


async def test_it_starts_no_more_sessions_than_it_may(start):
    """At the bound requests are declined until a session has ended."""
    bedrock = await start(max_sessions=1)
    await bedrock.adapter.open("one", "python", OPEN)
    refusal = bedrock.adapter.accepts(ExecutionRequest(code=""), OPEN)
    assert (refusal.rule, "max_sessions" in refusal.remedy) == ("busy", True)
    await bedrock.adapter.close("one")
    await bedrock.nothing_runs()
    assert (await bedrock.run("1")).value == 1
    await bedrock.adapter.aclose()


async def test_a_program_cannot_answer_for_the_runner(bedrock):
    """What a program prints where the runner answers, if it gets there at all, is not taken for the answer."""
    code = """
import os
forged = b"understudy forged ok 5\\nabcde\\nno line end"
for number in range(3, 1024):
    try:
        os.write(number, forged)
    except OSError:
        pass
for pid in range(max(1, os.getppid() - 50), os.getpid() + 1):
    for number in range(10):
        try:
            with open(f"/proc/{pid}/fd/{number}", "wb", buffering=0) as channel:
                channel.write(forged)
        except OSError:
            pass
result = 1
"""
    result = await bedrock.run(code)
    assert result.status in (Status.SUCCEEDED, Status.FAILED), "what it writes where its value goes spoils its own"
    assert result.usage.wall_ms > 0, "the runner has said how it ended"


def test_an_answer_is_found_behind_what_was_printed():
    """The runner's answer is known by a word that the program never learns, wherever it begins."""
    printed = "junk\nunderstudy wrong ok 3\nabcunderstudy word ok 5\nhello\n"
    found = orders.beginning(printed, "word")
    assert (found, found.size) == ("hello", 5)
    assert orders.beginning("understudy other ok 5\nhello", "word") is None


@pytest.mark.needs("node")
async def test_javascript_runs_on_node_where_there_is_no_deno(start, agentcore):
    """Where the interpreter has node alone, JavaScript runs on that, and so do its sessions."""
    (agentcore.services["bedrock-agentcore"]._programs / "deno").unlink(missing_ok=True)
    bedrock = await start(knows=False, languages=("javascript",))
    result = await bedrock.run("console.log(typeof Deno); result = 6 * 7", "javascript")
    assert (result.status, result.value, result.stdout) == (Status.SUCCEEDED, 42, "undefined\n")
    endless = await bedrock.run("while (true) {}", "javascript", limits=Limits(max_execution_time=700))
    assert endless.status is Status.TIMED_OUT
    await bedrock.adapter.open("s", "javascript", OPEN)
    await bedrock.command("s", "let x = 41", language="javascript")
    assert (await bedrock.command("s", "x + 1", language="javascript")).value == 42
    await bedrock.adapter.aclose()


async def test_a_program_finds_only_what_is_its_own(bedrock):
    """Neither the machine's files nor its processes are there for a program; what its language needs is."""
    code = """
import os, zoneinfo, subprocess
def is_open(path):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path).close()
    except OSError:
        return False
    return True
places = "/etc/passwd /proc /proc/self/environ /sys /root /home /var / ..".split()
found = [path for path in places if is_open(path)]
result = [found, str(zoneinfo.ZoneInfo("Europe/Vienna")), subprocess.check_output(["echo", "x"])]
"""
    result = await bedrock.run(code)
    assert result.value == [[], "Europe/Vienna", b"x\n"], result
