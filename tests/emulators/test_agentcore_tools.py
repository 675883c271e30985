"""The tools of an emulated code interpreter: they really run what they are given, on a machine of the session's own."""

import os
import select
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from host.testing import missing
from tests.emulators.account import Account
from tests.emulators.agentcore import services
from tests.emulators.agentcore_control import SYSTEM

HERE = {"codeInterpreterIdentifier": SYSTEM}


@pytest.fixture(scope="module")
def shared():
    """One account for all tests here."""
    with Account(*services()) as account:
        yield account
    assert account.broken == []


@pytest.fixture(scope="module")
def data(shared):
    """The data plane."""
    return shared.client("bedrock-agentcore", retries={"total_max_attempts": 1})


@pytest.fixture
def session(data):
    """A session of its own for each test."""
    number = data.start_code_interpreter_session(**HERE)["sessionId"]
    yield number
    data.stop_code_interpreter_session(**HERE, sessionId=number)


@pytest.fixture
def folder(shared, session):
    """Its working folder."""
    return shared.services["bedrock-agentcore"].sessions[session].folder


@pytest.fixture
def invoke(data, session):
    """Calls a tool; its result, or all of them if it answers in several events."""

    def call(tool, **arguments):
        answer = data.invoke_code_interpreter(**HERE, sessionId=session, name=tool, arguments=arguments)
        with closing(answer["stream"]) as stream:
            results = [each["result"] for each in stream]
        return results[0] if len(results) == 1 else results

    return call


def _texts(result):
    return [each["text"] for each in result["content"]]


def test_a_command(invoke):
    """A command runs in a shell; what it wrote and how it ended stand apart in the structured content."""
    result = invoke("executeCommand", command="echo out; echo err >&2; exit 3")
    facts = result["structuredContent"]
    assert (facts["stdout"], facts["stderr"], facts["exitCode"], result["isError"]) == ("out\n", "err\n", 3, True)
    assert facts["executionTime"] > 0
    assert _texts(result) == ["out\nerr\n"]
    assert invoke("executeCommand", command="true")["isError"] is False


@pytest.mark.parametrize(
    ("command", "code"),
    [("timeout -k 1 0.05 sleep 1000", 124), ("kill -9 $$", 137), ("no-such-program", 127), ("read line", 1)],
)
def test_how_a_command_ends(invoke, command, code):
    """A command that runs out of time, is killed, is not there or waits for input ends as in any shell."""
    assert invoke("executeCommand", command=command)["structuredContent"]["exitCode"] == code


def test_the_machine_has_nothing_of_the_testers(invoke, monkeypatch, folder):
    """A program sees a machine's environment, its own folder, and neither this checkout nor AWS's variables."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    seen = invoke("executeCommand", command="env; pwd")["structuredContent"]["stdout"]
    assert "AWS_" not in seen
    assert "PYTEST" not in seen
    assert seen.splitlines()[-1] == str(folder)
    assert invoke("executeCommand", command="python3 -c 'import host.values'")["structuredContent"]["exitCode"] == 1
    program = "import json, sys; print(sys.flags.isolated)"
    assert invoke("executeCommand", command=f"python3 -I -S -c '{program}'")["structuredContent"]["stdout"] == "1\n"


@pytest.mark.parametrize(("megabytes", "events"), [(6, 1), (20, 3)])
def test_large_output(invoke, megabytes, events):
    """Megabytes come whole, in one event while they fit into one."""
    command = f"head -c {megabytes}M /dev/zero | tr '\\0' x"
    results = invoke("executeCommand", command=command)
    results = results if isinstance(results, list) else [results]
    assert len(results) == events
    assert "".join(each["structuredContent"]["stdout"] for each in results) == "x" * megabytes * 2**20
    assert [each["structuredContent"].get("exitCode") for each in results] == [None] * (events - 1) + [0]


def test_a_long_command(invoke):
    """A command may be longer than an argument of a program may be."""
    text = "x" * 300_000
    assert invoke("executeCommand", command=f"echo {text}")["structuredContent"]["stdout"] == f"{text}\n"


def test_commands_run_beside_each_other(invoke, folder):
    """Two commands of one session run at the same time: each waits for the other."""
    for name in ("one", "two"):
        os.mkfifo(folder / name)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(invoke, "executeCommand", command="echo 1 > one; cat two")
        second = pool.submit(invoke, "executeCommand", command="cat one; echo 2 > two")
    assert [each.result()["structuredContent"]["stdout"] for each in (first, second)] == ["2\n", "1\n"]


def test_files(invoke, folder):
    """Text and bytes are written below the working folder, where commands find them, and read back as what they are."""
    content = [{"path": "a/b.txt", "text": "é\r\n"}, {"path": "c.bin", "blob": b"\xff\x00"}]
    assert invoke("writeFiles", content=content)["isError"] is False
    assert (folder / "a/b.txt").read_bytes() == "é\r\n".encode()
    assert invoke("executeCommand", command="od -An -tx1 c.bin")["structuredContent"]["stdout"].split() == ["ff", "00"]
    text, blob = (each["resource"] for each in invoke("readFiles", paths=["a/b.txt", "./c.bin"])["content"])
    assert (text["type"], text["text"], text["uri"]) == ("text", "é\r\n", "file:///a/b.txt")
    assert (blob["type"], blob["blob"], blob["uri"]) == ("blob", b"\xff\x00", "file:///c.bin")


def test_lists_of_files(invoke):
    """A folder's files and folders are links with a name and, for files, a size; what is removed is gone."""
    invoke("writeFiles", content=[{"path": "a/b.txt", "text": "abc"}, {"path": "c.csv", "text": ""}])
    found = [(each["name"], each["description"], each.get("size")) for each in invoke("listFiles")["content"]]
    assert found == [("a", "Directory", None), ("c.csv", "File", 0)]
    assert [each["uri"] for each in invoke("listFiles", directoryPath="a")["content"]] == ["file:///a/b.txt"]
    assert invoke("removeFiles", paths=["c.csv", "a"])["isError"] is False
    assert invoke("listFiles", path="")["content"] == []


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("readFiles", {"paths": ["none"]}),
        ("readFiles", {"paths": ["/etc/hostname"]}),
        ("readFiles", {"paths": ["folder"]}),
        ("removeFiles", {"paths": ["../home"]}),
        ("removeFiles", {"paths": ["."]}),
        ("listFiles", {"directoryPath": "kept"}),
        ("writeFiles", {"content": [{"path": "new", "text": ""}, {"path": "../out", "text": ""}]}),
        ("writeFiles", {"content": [{"path": "kept/below", "text": ""}]}),
    ],
)
def test_files_that_cannot_be(invoke, tool, given):
    """Files that are not there, no files, or outside of the working folder are an error result; nothing is changed."""
    invoke("writeFiles", content=[{"path": "kept", "text": "k"}, {"path": "folder/f", "text": ""}])
    result = invoke(tool, **given)
    assert result["isError"] is True
    assert all(_texts(result))
    assert [each["name"] for each in invoke("listFiles")["content"]] == ["folder", "kept"]


def _python(invoke, code, **more):
    return invoke("executeCode", language="python", code=code, **more)


def test_python_keeps_its_state(invoke):
    """Names last from one piece of code to the next, until the context is cleared; a last expression is shown."""
    assert _texts(_python(invoke, "x = 20\nprint('set')")) == ["set\n"]
    assert _python(invoke, "y = x + 1\ny")["structuredContent"]["stdout"] == "21\n"
    cleared = _python(invoke, "x", clearContext=True)
    assert (cleared["isError"], cleared["structuredContent"]["exitCode"]) == (True, 1)
    assert "NameError: name 'x' is not defined" in cleared["structuredContent"]["stderr"]


def test_python_at_its_worst(invoke):
    """Errors, exits and the death of the process are results; after a death Python begins anew."""
    failed = _python(invoke, "def f():\n    1/0\nkept = 1\nf()")["structuredContent"]["stderr"]
    assert failed.startswith('Traceback (most recent call last):\n  File "<cell 1>", line 4, in <module>')
    assert _python(invoke, "import sys; sys.exit(4)")["structuredContent"]["exitCode"] == 4
    assert _python(invoke, "(")["isError"] is True
    assert _python(invoke, "input()")["isError"] is True
    assert _python(invoke, "kept")["structuredContent"]["stdout"] == "1\n"
    dead = _python(invoke, "import os; print('last', flush=True); os._exit(7)")
    assert (dead["isError"], dead["structuredContent"]["stdout"]) == (True, "last\n")
    assert _python(invoke, "kept")["isError"] is True


def test_python_is_on_the_machine(invoke, folder):
    """Code finds the session's files, and what its programs write is caught."""
    (folder / "data.txt").write_text("42", encoding="utf-8")
    result = _python(invoke, "import os\nos.system('cat data.txt; echo bad >&2')\nopen('out', 'w').write('o')")
    assert (result["structuredContent"]["stdout"], result["structuredContent"]["stderr"]) == ("421\n", "bad\n")
    assert (folder / "out").read_text() == "o"


def test_python_draws(invoke):
    """Figures that are open when the code ends come as images."""
    drawn = """
import sys, types
class Figure:
    def savefig(self, file, format):
        file.write(b"\\x89PNG")
figures = [1]
sys.modules["matplotlib.pyplot"] = types.SimpleNamespace(
    get_fignums=lambda: figures, figure=lambda number: Figure(), close=lambda which: figures.clear()
)
"""
    text, image = _python(invoke, drawn)["content"]
    assert (text["text"], image) == ("", {"type": "image", "data": b"\x89PNG", "mimeType": "image/png"})
    assert len(_python(invoke, "1")["content"]) == 1


@pytest.mark.parametrize(
    ("language", "runtime", "code"),
    [
        ("typescript", None, "const a: number = await Promise.resolve(3); console.log(a)"),
        ("javascript", None, "console.log(await Promise.resolve(3))"),
        ("javascript", "nodejs", "console.log(require('fs').readFileSync('three', 'utf8'))"),
    ],
)
def test_scripts(invoke, folder, language, runtime, code):
    """JavaScript and TypeScript run in deno if nothing else is said, and JavaScript in node."""
    program = {"nodejs": "node"}.get(runtime, "deno")
    if not (folder.parents[2] / "image/bin" / program).exists():
        missing(f"{program} is not on this machine; `.ci/run` installs it")
    (folder / "three").write_text("3", encoding="utf-8")
    result = invoke("executeCode", language=language, code=code, **({"runtime": runtime} if runtime else {}))
    assert (result["structuredContent"]["stdout"], result["structuredContent"]["stderr"]) == ("3\n", "")


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("executeCode", {"language": "python"}),
        ("executeCode", {"code": "1"}),
        ("executeCode", {"code": "1", "language": "javascript", "runtime": "python"}),
        ("executeCommand", {}),
        ("writeFiles", {}),
        ("getTask", {}),
    ],
)
def test_arguments_that_a_tool_needs(data, invoke, tool, given):
    """What a tool can't do without is checked before anything runs, and before the stream begins."""
    with pytest.raises(data.exceptions.ValidationException) as caught:
        invoke(tool, **given)
    assert caught.value.response["fieldList"][0]["name"].startswith("arguments.")


def _task(invoke, tool, task):
    return invoke(tool, taskId=task)["structuredContent"]


def test_a_task(invoke, folder):
    """A command in the background is working until it ends; then its task has what it wrote and how it ended."""
    os.mkfifo(folder / "go")
    begun = invoke("startCommandExecution", command="cat go; echo bad >&2; exit $CODE")["structuredContent"]
    assert begun["taskStatus"] == "submitted"
    assert _task(invoke, "getTask", begun["taskId"]) == {"taskId": begun["taskId"], "taskStatus": "working"}
    (folder / "go").write_text("gone\n", encoding="utf-8")
    ended = _over(invoke, begun["taskId"])
    assert (ended["taskStatus"], ended["stdout"], ended["stderr"], ended["exitCode"]) == (
        "completed",
        "gone\n",
        "bad\n",
        0,
    )


def _over(invoke, task):
    """What a task says when it has ended."""
    while True:
        facts = _task(invoke, "getTask", task)
        if facts["taskStatus"] not in {"submitted", "working"}:
            return facts


def test_a_task_that_fails(data, invoke):
    """A task whose command fails has failed; one that nobody started is not found."""
    begun = invoke("startCommandExecution", command="exit 5")["structuredContent"]
    ended = _over(invoke, begun["taskId"])
    assert (ended["taskStatus"], ended["exitCode"]) == ("failed", 5)
    with pytest.raises(data.exceptions.ResourceNotFoundException):
        invoke("getTask", taskId="none")


def test_a_task_that_is_stopped(invoke, folder):
    """A stop kills a task's command with its children, and the task is canceled."""
    os.mkfifo(folder / "told")
    command = "setsid sh -c 'echo $$ > told; exec sleep 1000'; true"
    begun = invoke("startCommandExecution", command=command)["structuredContent"]
    process = int((folder / "told").read_text())
    with open(os.pidfd_open(process)) as ended:
        assert _task(invoke, "stopTask", begun["taskId"])["taskStatus"] == "canceled"
        assert select.select([ended], [], [], 30)[0]
    assert _task(invoke, "getTask", begun["taskId"])["taskStatus"] == "canceled"
    assert _task(invoke, "stopTask", begun["taskId"])["taskStatus"] == "canceled"
