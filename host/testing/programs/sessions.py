"""Commands for sessions, by language: what they leave behind, and what a later command finds."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SESSIONS", "SessionPrograms"]


@dataclass(frozen=True)
class SessionPrograms:
    """What the suite runs in a session of one language.

    Attributes:
        leave: leaves 41 behind.
        find: gives what ``leave`` left, and one more.
        fails: commands that fail, by the fact that holds: the session goes on after each.
        prints: writes the word ``one``, and a second command that writes ``two`` without a line end; () where the
            language writes nothing.
        endless: says ready where it can, and never ends; "" where the language has no such command.
        takes: gives the input ``n``.
        write, read: leave a file in the work folder, and give what is in it; "" where the language reaches no files.
        ends_itself: kills its own process; "" where it cannot.
    """

    leave: str
    find: str
    takes: str
    fails: Mapping[str, str]
    prints: tuple[str, ...] = ()
    endless: str = ""
    write: str = ""
    read: str = ""
    ends_itself: str = ""


SESSIONS: Mapping[str, SessionPrograms] = {
    "python": SessionPrograms(
        leave="x = 41",
        find="x + 1",
        takes="n",
        fails={
            "an exception": "y = 1\nraise ValueError('no')",
            "a syntax error": "x = = 2",
            "sys.exit": "import sys\nsys.exit(3)",
            "SystemExit": "raise SystemExit('no')",
            "a deep recursion": "def deep(): deep()\ndeep()",
        },
        prints=("print('one')", "import sys; sys.stdout.write('two')"),
        endless="print('ready', flush=True)\nwhile True: pass",
        write="with open('note', 'w') as note: note.write('kept')",
        read="open('note').read()",
        ends_itself="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    ),
    "javascript": SessionPrograms(
        leave="let x = 41",
        find="x + 1",
        takes="inputs.n",
        fails={"an exception": "throw new Error('no')", "a syntax error": "let = (", "a name": "nothingOfThatName"},
        prints=("console.log('one')", "console.log('two')"),
        endless="console.log('ready'); while (true) {}",
    ),
    "typescript": SessionPrograms(
        leave="let x: number = 41",
        find="(x as number) + 1",
        takes="inputs.n as number",
        fails={"an exception": "throw new Error('no')", "a syntax error": "let = ("},
        prints=("console.log('one')", "console.log('two')"),
        endless="console.log('ready'); while (true) {}",
    ),
    "sql": SessionPrograms(
        leave="CREATE TABLE kept AS SELECT 41 AS a",
        find="SELECT a + 1 AS b FROM kept",
        takes="SELECT $n AS n",
        fails={"a name": "SELECT nothing_of_that_name", "a syntax error": "SELEKT 1"},
    ),
    "bash": SessionPrograms(
        leave="x=41",
        find="result=$((x + 1))",
        takes='result="${inputs[n]}"',
        fails={"a status": "false", "exit": "exit 3"},
        prints=("echo one", "printf two"),
        endless="echo ready; while :; do :; done",
    ),
}
