"""How long ``understudy --help`` takes beside the help of a bare typer program. The bound is 2.5 times."""

import asyncio
import functools
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import Report, interleaved

__all__ = ["run"]

_BOUND = 2.5
_BARE = """
import typer
app = typer.Typer()
@app.command()
def hello(name: str) -> None:
    "Say hello."
    typer.echo(name)
@app.command()
def goodbye(name: str) -> None:
    "Say goodbye."
    typer.echo(name)
app()
"""
_OURS = "from host.cli.main import run; run()"


def run(report: Report, rounds: int) -> None:
    """Time both."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(_BARE)
        ours = Path(folder) / "ours.py"
        ours.write_text(_OURS)
        programs = {"bare typer --help": bare, "understudy --help": ours}
        variants = {name: functools.partial(_help, path) for name, path in programs.items()}
        report.timings(asyncio.run(interleaved(variants, rounds)))
    ratio = report.median_ms("understudy --help") / report.median_ms("bare typer --help")
    report.bound("understudy --help over a bare typer program", ratio, _BOUND, "times")


async def _help(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(path), "--help", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{path.name} --help ended with {process.returncode}: {errors.decode()}")
