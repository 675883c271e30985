"""`understudy run`: exit codes, inputs, files, output, cancellation, on whatever adapter is ready."""

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest


def test_a_program_with_inputs(here, tmp_path):
    """A file runs with inputs from JSON or a file; output, typed value, adapter with its reason, and time are shown."""
    (tmp_path / "add.py").write_text("print('adding up')\nresult = a + b\n")
    (tmp_path / "in.json").write_text('{"a": 1, "b": 2}')
    for inputs in ('{"a": 1, "b": 2}', "@in.json"):
        call = here("run", "add.py", "--inputs", inputs)
        assert call.code == 0, call.err
        assert "adding up\n" in call.out
        assert "int  3" in call.out
        assert "adapter" in call.out
        assert " ms" in call.out


def test_typed_values_both_ways(here):
    """Inputs are read in wire form, and the value is written in it."""
    inputs = json.dumps({"price": {"$type": "decimal", "value": "1.10"}})
    call = here("run", "-c", "price + price", "--inputs", inputs, "--policy", "standard", "--json")
    assert call.code == 0, call.err
    assert call.json["value"] == {"$type": "decimal", "value": "2.20"}
    assert call.json["value_type"] == "decimal"


def test_json_is_the_whole_result_and_alone_on_stdout(understudy):
    """--json gives one document with every field of the contract, and nothing else on stdout or stderr."""
    call = understudy("run", "-c", "print('x'); 1", "--json")
    contract = """
        id status reason value value_type stdout stderr truncated files displays exit_code signal risks may_have_started
        usage adapter adapter_version language policy provenance started_at finished_at explain
    """.split()  # noqa: SIM905 - as the contract names them
    assert set(contract) <= set(call.json)
    assert call.json["stdout"] == "x\n"
    assert call.err == ""


def test_code_from_stdin(understudy):
    """`-` reads the program from stdin."""
    assert understudy("run", "-", "--json", stdin="6 * 7").json["value"] == 42


def test_inputs_from_stdin(here):
    """`--inputs @-` reads the inputs from stdin."""
    assert here("run", "-c", "a", "--inputs", "@-", "--json", stdin='{"a": 5}').json["value"] == 5


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["-c", "1"], 0, "succeeded"),
        (["-c", "1 / 0"], 1, "failed"),
        (["-c", "def"], 1, "failed"),
        (["-c", "import socket"], 3, "denied"),
        (["-c", "while True: pass", "--timeout-ms", "300"], 4, "timed_out"),
    ],
)
def test_exit_codes(here, arguments, code, status):
    """Each way to end has its exit code, with and without --json."""
    call = here("run", *arguments, "--json")
    assert (call.code, call.json["status"]) == (code, status)
    assert here("run", *arguments).code == code


def test_nothing_can_run_it(here):
    """With the placeholder alone the answer is the deferral, and 5; without it too there is an error, and 5."""
    off = {"UNDERSTUDY_ADAPTERS__MONTY__ENABLED": "no"}
    call = here("run", "-c", "1", "--json", **off)
    assert (call.code, call.json["status"], call.json["adapter"]) == (5, "not_implemented", "placeholder")
    assert call.json["message"] == "Code execution coming soon"
    call = here("run", "-c", "1", UNDERSTUDY_ADAPTERS__PLACEHOLDER__ENABLED="no", **off)
    assert call.code == 5
    assert call.out == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.py"], "nowhere.py cannot be read"),
        (["-c", "1", "--policy", "nope"], "'nope'"),
        (["-c", "1", "--language", "cobol"], "'cobol'"),
        (["-c", "1", "--adapter", "nope"], "'nope'"),
        (["-c", "1", "--timeout-ms", "999999"], "max_execution_time"),
        (["-c", "1", "--limit", "max_memory_mb=lots"], "max_memory_mb"),
        (["-c", "1", "--limit", "speed=1"], "speed=1"),
        (["-c", "1", "--inputs", "[1]"], "--inputs"),
        (["-c", "1", "--inputs", "{"], "--inputs"),
        (["-c", "1", "--inputs", '{"a": NaN}'], "NaN"),
        (["-c", "1", "--id", "no spaces"], "id"),
        (["-c", "1", "--file", "nowhere.csv"], "nowhere.csv"),
        (["readme.txt"], "readme.txt"),
    ],
)
def test_what_cannot_be_asked(here, tmp_path, arguments, says):
    """A request that never becomes an execution ends with 2, and the error names the culprit."""
    (tmp_path / "readme.txt").write_text("hello")
    call = here("run", *arguments)
    assert call.code == 2, call.out
    assert call.out == ""
    assert says in call.err


def test_an_id_is_used_once(here):
    """A caller's own id names the record; a second use is refused."""
    assert here("run", "-c", "1", "--id", "mine").code == 0
    call = here("run", "-c", "1", "--id", "mine", "--json")
    assert call.code == 2
    assert json.loads(call.err)["type"] == "duplicate-execution"


def test_history_and_show(here):
    """What ran is in the history, newest first, and show gives its record with code, hashes and who asked."""
    here("run", "-c", "1 + 1", "--id", "first")
    here("run", "-c", "1 / 0", "--id", "second")
    listed = here("history", "--json").json
    assert [each["id"] for each in listed["executions"]] == ["second", "first"]
    assert [each["id"] for each in here("history", "--status", "failed", "--json").json["executions"]] == ["second"]
    record = here("show", "first", "--json").json
    assert (record["status"], record["value"], record["code"]) == ("succeeded", 2, "1 + 1")
    assert record["actor"]["type"] == "cli"
    assert len(record["provenance"]["code_sha256"]) == 64
    assert "second" in here("history").out
    assert "1 + 1" in here("show", "first").out
    assert here("show", "nobody").code == 2


def test_validate(here, tmp_path):
    """Validation answers verdict, risks and traits; the exit code tells safe, denied and unparsable."""
    (tmp_path / "net.py").write_text("import math\nimport socket\n")
    call = here("validate", "net.py", "--language", "python", "--policy", "strict", "--json")
    assert call.code == 3
    assert call.json["verdict"] == "denied"
    assert (call.json["risks"][0]["line"], call.json["risks"][0]["severity"]) == (2, "deny")
    assert {"deterministic", "effect_free"} <= set(call.json)
    assert "socket" in here("validate", "net.py").out
    assert here("validate", "-c", "1").code == 0
    assert here("validate", "-c", "def").code == 1


@pytest.mark.parametrize("command", ["adapters", "policies", "plugins", "doctor", "config", "history"])
def test_every_listing_speaks_json(here, command):
    """Each listing answers with one JSON document, and with text for people."""
    call = here(command, "--json")
    assert call.err == ""
    assert isinstance(call.json, dict | list)
    told = here(command)
    assert (told.code, bool(told.out.strip())) == (0, True), told.err


def test_doctor_tells_whether_anything_runs_code(here):
    """Doctor ends with 1 when nothing that runs code is ready, and says what is wrong with each adapter."""
    off = {"UNDERSTUDY_ADAPTERS__MONTY__ENABLED": "no"}
    call = here("doctor", "--json", **off)
    assert (call.code, call.json["ok"]) == (1, False)
    reasons = {each["name"]: each["remedy"] for each in call.json["adapters"] if not each["ready"]}
    assert "adapters.sandbox.enabled = true" in reasons["sandbox"]
    assert "Nothing that runs code is ready." in here("doctor", **off).out


def test_output_cannot_steer_the_terminal(here):
    """Escape sequences in output and value do not reach stdout or stderr."""
    code = "print(chr(27) + '[31mred' + chr(7)); result = chr(27) + ']0;title' + chr(7) + 'value'"
    call = here("run", "-c", code, "--policy", "standard")
    assert call.code == 0, call.err
    assert "red" in call.out
    assert "value" in call.out
    assert not {"\x1b", "\x07"} & set(call.out + call.err)


def test_who_was_passed_over_is_told(here):
    """Where an adapter before the one that served could not, the answer says why."""
    call = here("run", "-c", "1")
    assert "sandbox: it is disabled. Set adapters.sandbox.enabled = true." in call.out


def test_colours_only_where_they_are_wanted(command, scrubbed, tmp_path):
    """On a terminal the answer has colours or bold; with NO_COLOR it has no colour."""
    shown = _on_a_terminal([*command, "run", "-c", "1 / 0"], {**scrubbed, "TERM": "xterm-256color"}, tmp_path)
    assert b"\x1b[1m" in shown
    shown = _on_a_terminal([*command, "rnu"], {**scrubbed, "TERM": "xterm-256color", "NO_COLOR": "1"}, tmp_path)
    assert b"\x1b[3" not in shown


def _on_a_terminal(arguments, environ, folder) -> bytes:
    leader, follower = pty.openpty()
    process = subprocess.Popen(arguments, stdin=follower, stdout=follower, stderr=follower, env=environ, cwd=folder)
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # Linux says EIO when the other side has gone
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    process.wait(60)
    return shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_run_and_it_is_recorded(here, command, scrubbed, tmp_path, number):
    """Ctrl-C ends the program, its record says cancelled, and the exit code is 130."""
    arguments = ["run", "-c", "while True: pass", "--policy", "data", "--id", "endless", "--json"]
    process = subprocess.Popen([*command, *arguments], env=scrubbed, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while here("show", "endless", "--json").code != 0:
            assert process.poll() is None
            assert time.monotonic() < deadline
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert json.loads(out)["status"] == "cancelled"
    assert here("show", "endless", "--json").json["status"] == "cancelled"


def test_the_language_follows_from_the_file(here, tmp_path):
    """A file's ending names its language."""
    (tmp_path / "q.sql").write_text("select 1")
    off = {"UNDERSTUDY_ADAPTERS__MONTY__ENABLED": "no"}
    assert here("run", "q.sql", "--json", "--policy", "standard", **off).json["language"] == "sql"


def test_files_in_and_out(understudy, tmp_path, sandbox):
    """--file puts files into the work folder, --out saves what comes out; a link in the way is not followed."""
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").write_text("keep")
    Path(tmp_path / "out" / "up.txt").symlink_to(tmp_path / "precious")
    code = "open('up.txt', 'w').write(open('b.txt').read().upper())"
    call = understudy("run", "-c", code, "--policy", "standard", "--file", "a.txt=b.txt", "--out", "out", **sandbox)
    assert call.code == 0, call.err
    assert (tmp_path / "out" / "up.txt").read_text() == "HELLO"
    assert (tmp_path / "precious").read_text() == "keep"
