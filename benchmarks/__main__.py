"""``python -m benchmarks [NAME ...]``: run the named benchmarks, or all that this machine can run."""

import argparse
import os
import sys

from benchmarks import cold_wall, help_text, humaneval, parity
from benchmarks.report import Report

_ALL = {"cold_wall": cold_wall.run, "help_text": help_text.run, "humaneval": humaneval.run, "parity": parity.run}


def main() -> int:
    """Run, print, keep; 1 where a figure misses its bound."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_ALL)}; all by default")
    parser.add_argument("--rounds", type=int, default=30, help="how often each thing is timed")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(_ALL))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(_ALL)}")
    failed = False
    for name in arguments.names or _ALL:
        if name == "humaneval" and not arguments.names and "UNDERSTUDY_CORPORA" not in os.environ:
            print("humaneval: left out; UNDERSTUDY_CORPORA names no folder with HumanEval.jsonl.gz\n")
            continue
        report = Report(name)
        _ALL[name](report, arguments.rounds)
        path = report.save()
        print(report.text(), f"kept in {path}\n", sep="\n")
        failed = failed or not report.ok
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
