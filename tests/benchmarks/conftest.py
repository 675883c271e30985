"""One run of every measure with tiny counts; the wall that it needs."""

import asyncio
import platform
import shutil

import pytest

from benchmarks import suite
from benchmarks.bench import QUICK, prepared
from host.testing import missing


@pytest.fixture(scope="session")
def wall():
    """Skips where there is no wall; fails where ``CI`` is set."""
    if platform.system() != "Linux" or shutil.which("bwrap") is None:
        missing("the benchmarks measure the local wall, which needs Linux and bubblewrap")


@pytest.fixture(scope="session")
def results(wall, tmp_path_factory):
    """What a quick run of everything found."""

    async def measured():
        async with prepared(QUICK, tmp_path_factory.mktemp("workspace"), engines=False) as bench:
            return await suite.measure_all(bench)

    return asyncio.run(measured())
