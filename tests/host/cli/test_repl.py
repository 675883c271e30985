"""`understudy repl`: commands from a pipe and from a terminal, into an interpreter that lives."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest


def test_commands_from_a_pipe_share_their_variables(understudy, live):
    """Each command sees what the ones before it left; values, output and errors come in order, blocks are whole."""
    stdin = "x = 6\nx * 7\ndef double(a):\n    b = a\n\n    return b * 2\ndouble(x)\nprint('hi')\n1 / 0\n'text'\n"
    call = understudy("repl", stdin=stdin, **live)
    assert call.out.splitlines() == ["42", "12", "hi", "'text'"]
    assert "ZeroDivisionError" in call.err
    assert call.code == 1


def test_each_result_is_a_line_of_json(understudy, live):
    """--json gives one whole result a command, all of one session, and history has them."""
    call = understudy(
        "repl", "--json", "-l", "sql", stdin="CREATE TABLE t (a);\nINSERT INTO t\nVALUES (6);\nSELECT a FROM t", **live
    )
    results = [json.loads(line) for line in call.out.splitlines()]
    assert [result["status"] for result in results] == ["succeeded"] * 3
    assert results[-1]["value"] == [[6]]
    (session,) = {result["session"] for result in results}
    listed = understudy("history", "--session", session, "--json", **live).json["executions"]
    assert [each["id"] for each in listed] == [result["id"] for result in reversed(results)]
    assert understudy("history", "--session", "another", "--json", **live).json["executions"] == []
    assert call.code == 0


def test_what_takes_the_session_along_ends_a_pipe(understudy, live):
    """After a command that loses the session nothing more of the pipe is run: it was written for the old variables."""
    call = understudy("repl", "--timeout-ms", "1000", stdin="print('a')\nwhile True: pass\nprint('b')\n", **live)
    assert (call.code, call.out) == (4, "a\n")
    assert "is not run" in call.err


def test_the_loop_has_commands_of_its_own(understudy, live, tmp_path):
    """A file is loaded as one command; the session is shown and replaced; what the loop does not know is said."""
    (tmp_path / "more.py").write_text("y = 2\n\nz = y + 1\n")
    stdin = ":load more.py\nz\n:info\n:new\n'z' in globals()\n:nonsense\n:load\n:quit\nprint('never')\n"
    call = understudy("repl", "--policy", "standard", stdin=stdin, **live)
    lines = call.out.splitlines()
    assert (lines[0], lines[-1]) == ("3", "False")
    assert any(line.startswith("used     2 of ") for line in lines)
    assert call.err.count("See :help.") == 2
    assert "never" not in call.out
    assert call.code == 2


@pytest.mark.parametrize(("arguments", "code"), [(["-l", "bash"], 2), (["--policy", "nope"], 2), (["--limit", "x"], 2)])
def test_what_cannot_be_opened_is_said(understudy, live, arguments, code):
    """Where no such session can be the command ends with a sentence, and reads nothing."""
    call = understudy("repl", *arguments, stdin="1\n", **live)
    assert (call.code, call.out) == (code, "")
    assert call.err.strip()


def test_sigterm_closes_the_host(command, scrubbed, live):
    """SIGTERM ends the loop; the host closes, and its session has its end."""
    process = subprocess.Popen(
        [*command, "repl", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**scrubbed, **live},
    )
    process.stdin.write(b"1\n2\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["value"] == 1  # the second waits for its next line
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert list((Path(scrubbed["UNDERSTUDY_STATE_DIR"]) / "owners").iterdir()) == []


class Terminal:
    """Somebody at a terminal: types, and reads until a text comes."""

    def __init__(self, arguments, environment):
        self._ours, theirs = pty.openpty()
        self._seen = ""
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)

    def until(self, text):
        """What came until ``text`` did, without what steers the terminal."""
        deadline = time.monotonic() + 60
        while text not in self._seen:
            assert time.monotonic() < deadline, self._seen
            if select.select([self._ours], [], [], 1)[0]:
                self._read()
        before, _, self._seen = self._seen.partition(text)
        return before

    def _read(self):
        self._seen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(self._ours, 4096).decode())

    def interrupt_until(self, text):
        """Ctrl-C until it is heard: readline does not hear one that comes while it draws a line."""
        while text not in self._seen:
            self.type("\x03")
            again_at = time.monotonic() + 5
            while text not in self._seen and time.monotonic() < again_at:
                if select.select([self._ours], [], [], 0.2)[0]:
                    self._read()
        self.until(text)

    def type(self, text):
        """As typed, without an answer."""
        os.write(self._ours, text.encode())


@pytest.fixture
def terminal():
    """Starts programs at terminals; none outlives its test."""
    made = []

    def start(*given):
        made.append(Terminal(*given))
        return made[-1]

    yield start
    for each in made:
        each.process.kill()
        each.process.wait()


def test_at_a_terminal(terminal, command, scrubbed, live):
    """Prompts, blocks, values; Ctrl-C drops what is typed and stops what runs, and variables stay; Ctrl-D ends."""
    terminal = terminal([*command, "repl"], {**scrubbed, **live, "TERM": "dumb"})
    assert "python under policy strict on live" in terminal.until(">>> ")
    for line, prompt in (
        ("def f():\n", "... "),
        ("    return 'kept'\n", "... "),
        ("\n", ">>> "),
        ("x = f()\n", ">>> "),
    ):
        terminal.type(line)
        terminal.until(prompt)
    terminal.type("print('go'); all(True for _ in iter(int, 1))\n")
    terminal.until("go\r\n")
    terminal.type("\x03")
    assert "Ctrl-C stopped the command" in terminal.until(">>> ")
    terminal.type("half")
    terminal.until("half")
    terminal.interrupt_until(">>> ")
    terminal.type("x\n")
    terminal.until("'kept'")
    terminal.until(">>> ")
    terminal.type("\x04")
    assert terminal.process.wait(60) == 0
    history = Path(scrubbed["UNDERSTUDY_STATE_DIR"]) / "repl_history"
    assert "x = f()" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_at_a_terminal_a_lost_session_is_followed_by_a_new_one(terminal, command, scrubbed, live):
    """Whoever types is told that the variables are gone, and goes on."""
    terminal = terminal([*command, "repl", "--timeout-ms", "1000"], {**scrubbed, **live, "TERM": "dumb"})
    for line in ("x = 1\n", "all(True for _ in iter(int, 1))\n"):
        terminal.until(">>> ")
        terminal.type(line)
    assert "A new session begins" in terminal.until(">>> ")
    terminal.type("'x' in globals()\n")
    assert "False" in terminal.until(">>> ")
    terminal.type("\x04")
    assert terminal.process.wait(60) == 0
