"""The worker that reads JavaScript for the host: the same facts, from a process that can be harmed without harm."""

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from adapters.guest.javascript.facts import UNKNOWN
from adapters.guest.javascript.reader import ShapeReader
from adapters.guest.javascript.shape import command_shape, shape

CODES = [
    "",
    "1 + 1",
    "import fs from 'fs'; await 1",
    "let )",
    "'\u2028é😀'; import('x')",
    "result = 5; result",
    "a" * 200_000,
]


@pytest.fixture
def reader():
    """A reader whose worker is ended afterwards."""
    made = ShapeReader()
    yield made
    made.close()


@pytest.fixture
def worker_of(monkeypatch):
    """Gives the process id of the worker that was started last."""
    started = []
    popen = subprocess.Popen

    def start(*arguments, **named):
        started.append(popen(*arguments, **named))
        return started[-1]

    monkeypatch.setattr("adapters.guest.javascript.reader.subprocess.Popen", start)
    return lambda: started[-1].pid


@pytest.mark.parametrize("language", ["javascript", "typescript"])
@pytest.mark.parametrize("code", CODES)
def test_the_worker_sees_what_is_there(reader, language, code):
    """Its answers are those of reading in place, for programs and for commands, at first and when asked again."""
    for _ in range(2):
        assert reader.read(code, language) == shape(code, language)
        assert reader.read(code, language, is_command=True) == command_shape(code, language)


def test_a_dead_worker_is_replaced(reader, worker_of):
    """Code whose reader dies has no known shape; what comes next has."""
    assert reader.read("1", "javascript")["mode"] == "script"
    os.kill(worker_of(), signal.SIGKILL)
    assert reader.read("2", "javascript") == UNKNOWN
    assert reader.read("3", "javascript")["mode"] == "script"


def test_a_worker_that_does_not_answer_is_given_up(reader, worker_of, monkeypatch):
    """Nobody waits for ever: the shape is unknown, and the next to ask gets a new worker."""
    monkeypatch.setattr("adapters.guest.javascript.reader._ANSWER_S", 0.2)
    reader.read("1", "javascript")
    os.kill(worker_of(), signal.SIGSTOP)
    assert reader.read("2" * 100_000, "javascript") == UNKNOWN
    monkeypatch.undo()
    assert reader.read("3", "javascript")["mode"] == "script"


def test_many_threads_share_one_worker(reader):
    """Answers are not mixed up."""
    wrong = []

    def ask(number):
        for each in range(20):
            code = f"{'x' * number}; {'y' * each}"
            if reader.read(code, "javascript") != shape(code, "javascript"):
                wrong.append(code)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="no /proc to look into")
def test_the_worker_is_shut_in(reader, worker_of):
    """It may open no file, start no process, gain no privilege, and is not root."""
    reader.read("1", "javascript")
    folder = Path(f"/proc/{worker_of()}")
    limits = {line[:26].strip(): line[26:].split()[0] for line in (folder / "limits").read_text().splitlines()[1:]}
    assert (limits["Max open files"], limits["Max processes"], limits["Max file size"]) == ("0", "0", "0")
    assert int(limits["Max address space"]) == 1 << 30
    status = dict(line.split(":\t") for line in (folder / "status").read_text().splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    assert status["Uid"].split()[0] != "0"
