"""The small parts: names, settings, what is remembered, levels, orders, the one file that goes there."""

import base64
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.bedrock.bundle import bundle
from adapters.bedrock.found import Found, Home, Memory, read_home
from adapters.bedrock.guests import Languages
from adapters.bedrock.levels import levels
from adapters.bedrock.names import Names
from adapters.bedrock.orders import MOST_INLINE, beginning, command, inline, tightened
from adapters.bedrock.settings import BedrockSettings
from host.errors import AdapterError
from host.models import ExecutionRequest
from host.policy import Enforcement, Policy

POLICY = Policy(name="open", allowed_imports=None)
FOUND = Found(
    python="3.12.4",
    machine="x86_64",
    tools={
        "deno": ("/opt/deno", "deno 2.9.8"),
        "node": ("/usr/bin/node", "22.1.0 function"),
        "bash": ("/bin/bash", "5.2"),
    },
    packages=dict.fromkeys(("duckdb", "numpy", "pandas", "matplotlib", "pillow"), ("/site", "1.0")),
    memory_closed=True,
    writes_closed=True,
)
HOME = Home("/far/understudy", "/usr/bin/python3", "x86_64")


def test_names_tell_owners_apart():
    """A session's name begins with its owner's part, no owner's part begins another's, and names fit the service."""
    owners = ["a", "a-b", "a--b", "", "ü", "x" * 200, "01a2009e-5d90-7c4a-8775-3479829bcedb"]
    names = {owner: Names("understudy", owner) for owner in owners}
    for owner, own in names.items():
        name = own.new()
        assert len(name) <= 100
        assert name != own.new()
        assert [each for each in owners if name.startswith(own.of(each))] == [owner]
    assert "01a2009e-5d90-7c4a-8775-3479829bcedb" in names["01a2009e-5d90-7c4a-8775-3479829bcedb"].new()


def test_adapters_of_one_owner_know_their_own():
    """Two adapters of the same host do not take each other's sessions for their own."""
    one, other = Names("understudy", "a"), Names("understudy", "a")
    assert not other.new().startswith(one.own)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ({"interpreter": "no id"}, "interpreter"),
        ({"session_timeout_s": 30_000}, "session_timeout_s"),
        ({"warm_sesions": 3}, "warm_sesions"),
        ({"max_running": "many"}, "max_running"),
        ({"name_prefix": "a--b"}, "name_prefix"),
    ],
)
def test_a_wrong_setting_is_named(table, name):
    """What cannot be a setting is named, with where it is explained."""
    with pytest.raises(AdapterError, match=rf"adapters\.bedrock\.{name} is wrong") as caught:
        BedrockSettings.read(table)
    assert "docs/aws.md" in caught.value.remedy


def test_settings_from_an_environment():
    """Variables bring texts: numbers and lists are read from them."""
    settings = BedrockSettings.read({"warm": "false", "warm_sessions": "3", "languages": "python, bash"})
    assert (settings.most_warm, settings.languages) == (0, ("python", "bash"))
    assert BedrockSettings.read({"min_ready": 5, "warm_sessions": 2}).most_warm == 5


def test_what_was_found_is_remembered(tmp_path):
    """What was found, and when what was proved, is there for the next host; what is news makes all proofs old."""
    memory = Memory(tmp_path / "kept", "interpreter-us-east-1")
    assert memory.found is None
    assert memory.learn(FOUND)
    memory.prove("python")
    again = Memory(tmp_path / "kept", "interpreter-us-east-1")
    assert again.found == FOUND
    assert again.is_fresh(again.proved["python"], 60)
    assert not again.is_fresh(again.proved["python"] + 3600, 60), "a clock that was set back"
    assert not again.learn(FOUND)
    assert again.proved
    assert again.learn(replace(FOUND, python="3.13.0"))
    assert again.proved == {}
    assert Memory(tmp_path / "kept", "interpreter-eu-west-1").found is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"found": {"python": 3}}', '{"found": null}'])
def test_what_cannot_be_read_is_forgotten(tmp_path, content):
    """A file that is broken is as none."""
    (tmp_path / "key.json").write_text(content)
    assert Memory(tmp_path, "key").found is None


def said(**changes):
    """What a session prints when it is ready."""
    facts = {"root": "/r", "program": "/p", "python": "3.12.4", "machine": "x86_64", "uid": None, "found": None}
    return "noise\nunderstudy " + json.dumps({**facts, **changes}) + "\n"


@pytest.mark.parametrize(
    "printed",
    ["", "understudy", "understudy {", said(root="relative"), said(root="/a b"), said(python="three"), said(uid="x")],
)
def test_a_session_that_says_something_else(printed):
    """What is not what our program prints is no session that is ready."""
    with pytest.raises(AdapterError, match="could not be made ready") as caught:
        read_home(printed)
    assert not caught.value.may_have_started


def test_a_python_that_is_too_old():
    """An interpreter with an old Python is named with its version."""
    assert read_home(said()).root == "/r"
    with pytest.raises(AdapterError, match=r"Python is 3\.8\.1"):
        read_home(said(python="3.8.1"))


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({}, set()),
        ({"packages": {}}, {"sql"}),
        ({"tools": {"bash": ("/bin/bash", "4.4")}}, {"bash", "javascript", "typescript"}),
        ({"tools": {"node": ("/usr/bin/node", "20.1.0 undefined"), "bash": ("/bin/bash", "5.0")}}, {"typescript"}),
        ({"tools": {"node": ("/usr/bin/node", "22.13.0 function"), "bash": ("/bin/bash", "5.0")}}, set()),
    ],
)
def test_languages_are_what_was_found(changes, missing):
    """A language is offered where all that it needs is there; JavaScript on deno, or else on node."""
    every = {"python", "sql", "javascript", "typescript", "bash"}
    assert set(Languages(replace(FOUND, **changes)).names) == every - missing
    assert Languages(FOUND, frozenset({"bash"})).names == ("bash",)


def test_node_has_none_of_denos_flags():
    """On node the same guest runs, with the same memory limit for V8."""
    languages = Languages(replace(FOUND, tools={"node": ("/usr/bin/node", "22.13.0 function")}))
    request = ExecutionRequest(code="1", language="javascript")
    heap = f"--max-old-space-size={POLICY.max_memory_mb + 96}"
    assert languages.launch(request, POLICY).argv == ("/runtime/node", heap, "/runtime/javascript/guest.mjs")
    session = languages.open("typescript", POLICY).argv
    assert session == ("/runtime/node", heap, "/runtime/javascript/session.mjs", "typescript")
    with pytest.raises(AdapterError, match="keeps no sessions"):
        languages.open("bash", POLICY)


def test_packages_by_environment():
    """``data`` is what AWS has of it, in one folder; anything else is declined, but for SQL which needs none."""
    data = POLICY.model_copy(update={"guest_environment": "data"})
    request = ExecutionRequest(code="1")
    assert Languages(FOUND).site("python", data) == "/site"
    assert Languages(FOUND).site("python", POLICY) is None
    assert Languages(FOUND).site("sql", POLICY) == "/site"
    apart = replace(FOUND, packages={**FOUND.packages, "numpy": ("/elsewhere", "1.0")})
    assert Languages(apart).refusal(request, data).rule == "guest-environment"
    assert Languages(FOUND).refusal(request, data) is None


@pytest.mark.parametrize(
    ("memory_closed", "writes_closed", "network", "files"),
    [
        (True, True, Enforcement.GUEST, Enforcement.GUEST),
        (True, False, Enforcement.GUEST, Enforcement.ADVICE),
        (False, True, Enforcement.ADVICE, Enforcement.ADVICE),
    ],
)
def test_levels_follow_what_was_tried(memory_closed, writes_closed, network, files):
    """What is held inside is as strong as what keeps a program from undoing it."""
    held = levels(replace(FOUND, memory_closed=memory_closed, writes_closed=writes_closed))
    assert (held["network_access"], held["max_file_bytes"]) == (network, files)
    assert held["max_output_bytes"] is Enforcement.WALL


def test_a_command_becomes_the_runner():
    """No shell stays behind, nothing is in the runner's environment, and what is in the job needs no quoting."""
    policy = POLICY.model_copy(update={"max_execution_time": 1500})
    text = command(HOME, '{"work": "it\'s"}', policy, job="YWJj", site=None)
    first, *rest = text.split("\n")
    assert first.startswith(
        "exec timeout -k 5 5 env -i /usr/bin/python3 -I -S -X utf8 -u /far/understudy/enter/enter.py run "
    )
    assert rest == ["YWJj", "END", ""]
    assert command(HOME, "{}", policy, job=None, site=None).endswith("</dev/null")


def test_what_goes_into_a_command():
    """A job goes into the command while it is short enough."""
    assert base64.b64decode(inline("word", b"job")) == b"word\njob"
    assert len(inline("word", b"x" * 60_000)) <= MOST_INLINE
    assert inline("word", b"x" * 70_000) is None


def test_output_is_bounded_by_the_answer():
    """A policy that gives more output than an answer can hold is tightened, and no other."""
    assert tightened(POLICY, 20_000_000) is POLICY
    assert tightened(POLICY.model_copy(update={"max_output_bytes": 1 << 30}), 3_000_000).max_output_bytes == 1_000_000


def test_a_runner_that_could_not_be_started():
    """Its reason is passed on, and nothing has run."""
    with pytest.raises(AdapterError, match="OSError: no") as caught:
        beginning("\nunderstudy word trouble OSError: no\n", "word")
    assert not caught.value.may_have_started


def test_the_bundle_has_everything_and_nothing_of_the_hosts():
    """The file has the guests, the runner and what starts it, is the same each time, and imports nothing of ours."""
    with zipfile.ZipFile(io.BytesIO(bundle())) as packed:
        names = set(packed.namelist())
        sources = {name: packed.read(name).decode() for name in names if name.endswith(".py")}
    assert {
        "__main__.py",
        "enter/enter.py",
        "guest/runner/main.py",
        "guest/python/main.py",
        "guest/sql/main.py",
        "guest/program.sh",
        "runtime/bash/guest.bash",
        "runtime/javascript/guest.mjs",
        "runtime/javascript/session.mjs",
    } <= names
    assert not [name for name, source in sources.items() if "\nfrom host" in source or "\nfrom adapters" in source]
    assert len(bundle()) < 200_000
    assert all(Path(name).suffix in (".py", ".mjs", ".sh", ".bash") for name in names)
