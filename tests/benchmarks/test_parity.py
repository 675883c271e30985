"""The comparison with plain CPython finds what is the same, what is not, and what says nothing."""

import asyncio
import gzip
import json

import pytest

from benchmarks import corpora
from benchmarks.corpora import Case
from benchmarks.hosts import started
from benchmarks.parity import compare
from benchmarks.plain import Plain

_CASES = {
    "value": ("result = {'a': [1, 2.5], 'b': {3}}\nprint(repr(result))", "agrees", "to its end"),
    "error": ("print('so far')\n{}['missing']", "agrees", "KeyError"),
    "exit": ("import sys\nsys.exit(3)", "agrees", "exit code 3"),
    "signal": ("import os\nos.kill(os.getpid(), 9)", "agrees", "SIGKILL"),
    "syntax": ("def", "agrees", "SyntaxError, found before it ran"),
    "file": (
        "open('out.txt', 'w').write(open('in.txt').read() * 2)\nresult = 1\nprint(result)",
        "agrees",
        "to its end",
    ),
    "chance": ("import random\nprint(random.random())", "varies", ""),
    "package": ("import no_such_package", "needs", ""),
    "slow": ("import time\ntime.sleep(60)", "slow", ""),
    "uid": ("import os\nprint(os.getuid())", "differs", ""),
    "wrong value": ("result = 1\nprint(2)", "differs", ""),
}


_SLOW_S, _PATIENT_S = 1.0, 60.0


@pytest.fixture(scope="module")
def findings(wall, tmp_path_factory):
    """Every case, compared."""

    async def compared():
        plain = Plain(tmp_path_factory.mktemp("plain"))
        async with started(tmp_path_factory.mktemp("state"), only_language="python") as host:
            for name, (code, _, _) in _CASES.items():
                case = Case(name, code, {"in.txt": b"x"})
                yield await compare(case, host, plain, _SLOW_S if name == "slow" else _PATIENT_S)

    async def all_of_them():
        return {finding.case: finding async for finding in compared()}

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("name", _CASES)
def test_a_case_is_judged(findings, name):
    """Programs that do the same agree, others differ, and those that say nothing are left out."""
    _, verdict, ended = _CASES[name]
    finding = findings[name]
    assert (finding.verdict, finding.ended) == (verdict, ended), finding.detail


def test_corpora_become_programs(tmp_path):
    """Rows and files of the corpora become programs that leave a value and print it."""
    row = {"task_id": "HumanEval/0", "prompt": "def f():\n", "canonical_solution": "    return 1\n", "entry_point": "f"}
    with gzip.open(tmp_path / "HumanEval.jsonl.gz", "wt") as file:
        file.write(json.dumps({**row, "test": "def check(g):\n    assert g() == 1\n"}))
    mbpp = {"task_id": 1, "code": "def f(): return 1", "test_setup_code": "", "challenge_test_list": []}
    (tmp_path / "mbpp.jsonl").write_text(json.dumps({**mbpp, "test_list": ["assert f() == 1"]}))
    folder = tmp_path / "TheAlgorithms-Python" / "maths"
    folder.mkdir(parents=True)
    (folder / "one.py").write_text("from maths.two import TWO\nONE = TWO - 1\n")
    (folder / "two.py").write_text("TWO = 2\n")
    (folder / "data.txt").write_text("3")
    found = {corpus.name: corpus.cases(tmp_path) for corpus in corpora.CORPORA}
    assert found["QuixBugs"] is None
    assert [case.name for case in found["HumanEval"]] == ["HumanEval/0"]
    assert "result = [f()]" in found["MBPP"][0].code
    assert found["TheAlgorithms"][0].files == {"data.txt": b"3", "maths/two.py": b"TWO = 2\n"}
    for cases in (found["HumanEval"], found["MBPP"], found["TheAlgorithms"]):
        for case in cases:
            compile(case.code, case.name, "exec")


def test_without_a_folder_it_says_what_to_fetch(monkeypatch):
    """Where no folder is named, the message has the command for each corpus."""
    monkeypatch.delenv("UNDERSTUDY_CORPORA", raising=False)
    with pytest.raises(SystemExit, match="QuixBugs: git clone"):
        corpora.folder()
