"""Public collections of Python programs, as programs that run on their own.

They lie in the folder that ``UNDERSTUDY_CORPORA`` names and are not part of this repository: each is its authors' work
under a licence of its own.
"""

import ast
import gzip
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["CORPORA", "Case", "Corpus", "folder"]

_SHOW = '\nprint("", repr(result), sep="\\n")\n'
_LARGEST_DATA_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class Case:
    """One program, and the files that lie beside it. It leaves a value in ``result`` and prints its repr last."""

    name: str
    code: str
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Corpus:
    """One collection.

    Attributes:
        name: as the command line and the results have it.
        place: its file or folder below the folder of all corpora.
        licence: its licence.
        fetch: the commands that bring it, to be run in the folder of all corpora.
        read: makes the cases from where it lies.
    """

    name: str
    place: str
    licence: str
    fetch: str
    read: Callable[[Path], Iterator[Case]]

    def cases(self, corpora: Path) -> list[Case] | None:
        """Its programs, or None where it is not there."""
        path = corpora / self.place
        return list(self.read(path)) if path.exists() else None


def folder() -> Path:
    """The folder of all corpora.

    Raises:
        SystemExit: none is named.
    """
    named = os.environ.get("UNDERSTUDY_CORPORA")
    if not named:
        fetching = "\n".join(f"  {corpus.name}: {corpus.fetch}" for corpus in CORPORA)
        raise SystemExit(f"UNDERSTUDY_CORPORA names no folder. In an empty one, these bring the corpora:\n{fetching}")
    return Path(named)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    reader = gzip.open if path.suffix == ".gz" else open
    with reader(path, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def _humaneval(path: Path) -> Iterator[Case]:
    """Each solution with its tests, their call, and a value that says that the end was reached."""
    for row in _lines(path):
        solution = row["prompt"] + row["canonical_solution"]
        parts = (solution, row["test"], f"check({row['entry_point']})", "result = 'passed'")
        yield Case(row["task_id"], "\n\n".join(parts) + _SHOW)


def _mbpp(path: Path) -> Iterator[Case]:
    """Each solution, what it answers to its tests' calls as the value, then the tests themselves."""
    for row in _lines(path):
        tests = [*row["test_list"], *row["challenge_test_list"]]
        answers = ", ".join(called for test in tests if (called := _called(test)))
        parts = (row["test_setup_code"], row["code"], f"result = [{answers}]" + _SHOW, *tests)
        yield Case(f"MBPP/{row['task_id']}", "\n".join(parts) + "\n")


def _called(test: str) -> str | None:
    """``f(x)`` out of ``assert f(x) == y``."""
    statement = ast.parse(test.strip()).body[0]
    if isinstance(statement, ast.Assert) and isinstance(statement.test, ast.Compare):
        return ast.unparse(statement.test.left)
    return None


_DOCTESTS = "\nimport doctest\nresult = list(doctest.testmod())" + _SHOW


def _algorithms(path: Path) -> Iterator[Case]:
    """Each file with its doctests, the data that lies beside it, and the files of the collection that it imports."""
    for file in sorted(path.rglob("*.py")):
        name = file.relative_to(path).as_posix()
        code = file.read_text(encoding="utf-8")
        data = (other for other in file.parent.iterdir() if other.is_file() and other.suffix != ".py")
        small = {other.name: other.read_bytes() for other in data if other.stat().st_size <= _LARGEST_DATA_FILE}
        yield Case(f"TheAlgorithms/{name}", code + _DOCTESTS, {**small, **_imported(path, code)})


def _imported(root: Path, code: str) -> dict[str, bytes]:
    """The files below ``root`` that a program imports, and those that they import."""
    found: dict[str, bytes] = {}
    waiting = [code]
    while waiting:
        for module in _modules(waiting.pop()):
            for file in (root.joinpath(*module.split(".")).with_suffix(".py"), root / module.replace(".", "/")):
                name = file.relative_to(root).as_posix()
                if file.is_file() and name not in found:
                    found[name] = file.read_bytes()
                    waiting.append(found[name].decode("utf-8"))
    return found


def _modules(code: str) -> Iterator[str]:
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


_EACH_TEST = """
result = []
for line in {tests!r}:
    given = json.loads(line)[0]
    try:
        answer = {name}(*given) if isinstance(given, list) else {name}(given)
        result.append(list(answer) if hasattr(answer, "__next__") else answer)
    except Exception as error:
        result.append(type(error).__name__)
"""


def _quixbugs(path: Path) -> Iterator[Case]:
    """Each program, right and wrong, on its tests; those on graphs with their own main."""
    for kind in ("correct_python_programs", "python_programs"):
        package = {f"{kind}/{file.name}": file.read_bytes() for file in sorted((path / kind).glob("*.py"))}
        for tests in sorted((path / "json_testcases").glob("*.json")):
            lines = [line for line in tests.read_text(encoding="utf-8").splitlines() if line.strip()]
            head = f"import json\nfrom {kind}.{tests.stem} import {tests.stem}\n"
            code = head + _EACH_TEST.format(tests=lines, name=tests.stem) + _SHOW
            yield Case(f"QuixBugs/{kind}/{tests.stem}", code, package)
        for main in sorted((path / kind).glob("*_test.py")):
            code = f"from {kind}.{main.stem} import main\nresult = main()" + _SHOW
            yield Case(f"QuixBugs/{kind}/{main.stem}", code, package)


def _github(repository: str, into: str) -> str:
    return f"git clone --depth 1 https://github.com/{repository} {into}"


_MBPP = "https://raw.githubusercontent.com/google-research/google-research/master/mbpp/mbpp.jsonl"
_HUMANEVAL = "https://raw.githubusercontent.com/openai/human-eval/master/data/HumanEval.jsonl.gz"

CORPORA = (
    Corpus("HumanEval", "HumanEval.jsonl.gz", "MIT", f"curl -LO {_HUMANEVAL}", _humaneval),
    Corpus("MBPP", "mbpp.jsonl", "CC BY 4.0", f"curl -LO {_MBPP}", _mbpp),
    Corpus(
        "TheAlgorithms",
        "TheAlgorithms-Python",
        "MIT",
        _github("TheAlgorithms/Python", "TheAlgorithms-Python"),
        _algorithms,
    ),
    Corpus("QuixBugs", "QuixBugs", "MIT", _github("jkoppel/QuixBugs", "QuixBugs"), _quixbugs),
)
"""What there is to fetch."""
