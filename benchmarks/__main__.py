"""``python -m benchmarks`` measures everything in one run; ``python -m benchmarks NAME`` answers one question more."""

import argparse
import sys

__all__ = ["main"]

_SINGLE = ("cold_wall", "help_text", "host_overhead", "humaneval", "parity", "soak")


def main() -> int:
    """Run, print, keep; 1 where a figure misses its bound (in the run of everything: with --strict)."""
    if len(sys.argv) == 1 or sys.argv[1].startswith("-"):
        from benchmarks import suite

        return suite.main(sys.argv[1:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", choices=_SINGLE, help=f"of {', '.join(_SINGLE)}")
    parser.add_argument("--rounds", type=int, default=30, help="how often each thing is timed")
    parser.add_argument("--runs", type=int, default=20_000, help="how many programs the soak runs")
    return _single(parser.parse_args())


def _single(given: argparse.Namespace) -> int:
    from benchmarks import cold_wall, help_text, host_overhead, humaneval, parity, soak
    from benchmarks.report import Report

    runs = {"soak": lambda report, _: soak.run(report, given.runs)}
    modules = (cold_wall, help_text, host_overhead, humaneval, parity)
    runs.update({module.__name__.rpartition(".")[2]: module.run for module in modules})
    failed = False
    for name in given.names:
        report = Report(name)
        runs[name](report, given.rounds)
        path = report.save()
        print(report.text(), f"kept in {path}\n", sep="\n")
        failed = failed or not report.ok
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
