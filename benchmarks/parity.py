"""The programs of public corpora, behind the wall and on plain CPython, compared case by case.

Compared are exit code, signal, the exception that ended it, stdout, stderr, the files that it left, and the value. Left
out, and counted, is what says nothing: a program that plain CPython itself does not run the same way twice, one that
takes longer than the policy could bear on a busy machine, and one that needs a package which neither side has.
"""

import ast
import asyncio
import itertools
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import corpora, page
from benchmarks.corpora import Case
from benchmarks.hosts import require, started
from benchmarks.plain import Outcome, Plain, digests, error_type, normal
from benchmarks.report import Report
from benchmarks.table import Grid
from host import ExecutionRequest, ExecutionResult, Host, values
from host.models import File

__all__ = ["compare", "run"]

_AT_ONCE = 2
_PLAIN_WITHIN_S = 4.0
_AGAIN = 4
_LEAST_AGREEING = 1000
_SHOWN = 60
_CARETS = re.compile(r"^ *[~^]+$", re.MULTILINE)
_LEFT_OUT = {"varies": "vary on plain CPython", "slow": "too slow", "needs": "need a package"}
_REASONS = (
    ("libtk", "Tk wants a screen, and is not shown inside"),
    ("multiprocessing/spawn.py", "multiprocessing starts processes by fork only: the program is not a file inside"),
    ("Address family not supported by protocol", "there are no network sockets inside; outside nobody listened"),
    ("build_directory_md", "it lists its own folder: on the plain side the program is a file in it"),
)
"""What is known to differ, told from the case's name or from what it wrote."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one case.

    Attributes:
        verdict: agrees, differs, varies, slow or needs.
        ended: how it ended on both sides, where it agrees.
        detail: what differs.
        reason: why, where that is known.
        value: whether the value could be compared.
    """

    case: str
    verdict: str
    ended: str = ""
    detail: str = ""
    reason: str = ""
    value: bool = False


def run(report: Report, rounds: int) -> None:
    """Compare every case of every corpus that is there; ``rounds`` means nothing here."""
    asyncio.run(_run(report, corpora.folder()))
    if len(report.data["corpora"]) == len(corpora.CORPORA):
        page.write("parity", _markdown(report.data["corpora"]))


async def _run(report: Report, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        plain = Plain(Path(place))
        async with started(Path(place) / "state") as host:
            require(host, "sandbox")
            agreeing = used = unexplained = 0
            for corpus in corpora.CORPORA:
                cases = corpus.cases(folder)
                if cases is None:
                    report.note(f"{corpus.name}: left out; no {corpus.place} in {folder}. To have it: {corpus.fetch}")
                    continue
                findings = await _findings(cases, host, plain)
                _tell(report, corpus.name, findings)
                agreeing += sum(finding.verdict == "agrees" for finding in findings)
                unexplained += sum(finding.verdict == "differs" and not finding.reason for finding in findings)
                used += 1
    report.least("corpora", used, 3, "corpora")
    report.bound("differences without a known reason", unexplained, 0, "cases")
    report.least("cases that agree", agreeing, _LEAST_AGREEING, "cases")


async def _findings(cases: list[Case], host: Host, plain: Plain) -> list[Finding]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(case: Case) -> Finding:
        async with gate:
            return await compare(case, host, plain)

    return await asyncio.gather(*map(one, cases))


async def compare(case: Case, host: Host, plain: Plain, within_s: float = _PLAIN_WITHIN_S) -> Finding:
    """Run one case on plain CPython twice, where it has to end ``within_s`` seconds, and behind the wall once."""
    first = await plain.run(case.code, case.files, within_s)
    second = first and await plain.run(case.code, case.files, within_s)
    if first is None or second is None:
        return Finding(case.name, "slow")
    if first.differs_in(second):
        return Finding(case.name, "varies", detail=", ".join(first.differs_in(second)))
    if first.error == "ModuleNotFoundError":
        return Finding(case.name, "needs")
    files = tuple(File(path=name, content=content) for name, content in case.files.items())
    request = ExecutionRequest(code=case.code, files=files, policy="standard", adapter="sandbox")
    result = await host.execute(request)
    if not result.may_have_started and first.error == result.reason.partition(":")[0]:
        return Finding(case.name, "agrees", ended=f"{first.error}, found before it ran")
    walled = _outcome(result, case)
    differing = first.differs_in(walled)
    known, same = _value(result, first)
    if not differing and same:
        return Finding(case.name, "agrees", ended=_ended(first), value=known)
    for _ in range(_AGAIN):  # a set of few strings has the same order twice often enough
        again = await plain.run(case.code, case.files, within_s)
        if again is None or first.differs_in(again):
            return Finding(case.name, "varies", detail="seen on a further run")
    detail = "; ".join([_difference(name, first, walled) for name in differing] + ([] if same else ["value"]))
    reason = _reason(case, first, walled) if differing else ""
    return Finding(case.name, "differs", detail=f"{result.status} {result.reason} | {detail}", reason=reason)


def _reason(case: Case, plain: Outcome, walled: Outcome) -> str:
    """Why they differ, where that is known; else ""."""
    if plain.differs_in(walled) == ["stderr"] and _CARETS.sub("", plain.stderr) == _CARETS.sub("", walled.stderr):
        return "CPython's module traceback puts the carets elsewhere than its printer if a line ends in blanks"
    seen = f"{case.name} {walled.stderr}"
    return next((reason for sign, reason in _REASONS if sign in seen), "")


def _ended(outcome: Outcome) -> str:
    if outcome.exit_code == 0:
        return "to its end"
    return outcome.error or outcome.signal or f"exit code {outcome.exit_code}"


def _outcome(result: ExecutionResult, case: Case) -> Outcome:
    stderr = normal(result.stderr, "/work")
    return Outcome(
        exit_code=result.exit_code,
        signal=result.signal or "",
        error=error_type(stderr) if result.exit_code else "",
        stdout=normal(result.stdout, "/work"),
        stderr=stderr,
        files=digests({file.path: file.content for file in result.files}, case.files),
    )


def _value(result: ExecutionResult, plain: Outcome) -> tuple[bool, bool]:
    """Whether the value can be told from what plain CPython printed of it last, and whether it is the same."""
    try:
        printed = ast.literal_eval(plain.stdout.splitlines()[-1])
    except (ValueError, SyntaxError, IndexError, MemoryError, RecursionError):
        return False, True
    if plain.exit_code != 0:
        return False, True
    return True, values.dumps(printed) == values.dumps(result.value)


def _difference(name: str, plain: Outcome, walled: Outcome) -> str:
    ours, theirs = getattr(walled, name), getattr(plain, name)
    if isinstance(ours, str) and isinstance(theirs, str):
        pairs = itertools.zip_longest(theirs.splitlines(), ours.splitlines())
        line = next(((left, right) for left, right in pairs if left != right), ("", ""))
        theirs, ours = (repr((text or "")[:_SHOWN]) for text in line)
    return f"{name}: plain {theirs}, wall {ours}"


def _tell(report: Report, name: str, findings: list[Finding]) -> None:
    """Put one corpus into the report."""
    verdicts = Counter(finding.verdict for finding in findings)
    ends = Counter(finding.ended for finding in findings if finding.verdict == "agrees")
    values_known = sum(finding.value for finding in findings)
    left_out = ", ".join(f"{verdicts[key]} {words}" for key, words in _LEFT_OUT.items())
    report.note(f"{name}: {verdicts['agrees']} of {len(findings)} agree, {verdicts['differs']} differ; {left_out}")
    ended = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    report.note(f"  ended with: {ended}; {values_known} values compared")
    differing = [finding for finding in findings if finding.verdict == "differs"]
    for finding in differing:
        report.note(f"  {finding.case}: {finding.reason or 'NO KNOWN REASON'} | {finding.detail}")
    counted: dict[str, Any] = {"cases": len(findings), **{key: verdicts[key] for key in ("agrees", "differs")}}
    counted.update({key: verdicts[key] for key in _LEFT_OUT}, ends=dict(ends), values=values_known)
    counted["differing"] = {each.case: {"reason": each.reason, "detail": each.detail} for each in differing}
    counted["varying"] = [finding.case for finding in findings if finding.verdict == "varies"]
    report.data.setdefault("corpora", {})[name] = counted


def _markdown(counted: Mapping[str, Any]) -> str:
    """The counts as a table, and every difference with its reason."""
    keys = ("cases", "agrees", "differs", *_LEFT_OUT, "values")
    head = ["corpus", "programs", "agree", "differ", *_LEFT_OUT.values(), "values compared"]
    grid = Grid(head, [[name, *(str(each[key]) for key in keys)] for name, each in counted.items()])
    differing = {name: why for each in counted.values() for name, why in each["differing"].items()}
    listed = [f"* `{name}`: {why['reason'] or why['detail']}." for name, why in differing.items()]
    return "\n".join([grid.markdown(), "", "What differs:" if listed else "Nothing differs.", "", *listed])
