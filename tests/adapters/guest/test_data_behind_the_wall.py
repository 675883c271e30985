"""Charts and tables inside the local wall, in a guest environment of their own, cold and warm."""

import asyncio
import importlib.metadata
import json
import os
import shutil
from pathlib import Path

import pytest

from adapters.guest.builds import complete
from adapters.guest.environments import Environments
from adapters.sandbox.adapter import SandboxAdapter
from host.displays import CHART, TABLE
from host.interface import AdapterContext, discard
from host.models import ExecutionRequest, Status
from host.policy import Policy
from host.testing import missing

PACKAGES = (
    *("contourpy", "cycler", "fonttools", "kiwisolver", "matplotlib", "numpy", "packaging", "pandas", "pillow"),
    *("pyparsing", "python-dateutil", "six"),
)
POLICY = Policy(
    name="data",
    guest_environment="data",
    allowed_imports=None,
    file_system_access="sandboxed",
    max_execution_time=60_000,
    max_cpu_time=60_000,
    max_memory_mb=512,
    max_output_bytes=1 << 24,
)
CHART_OF_SALES = """
import matplotlib.pyplot as plt
plt.bar(["tea", "milk"], [3, 1])
plt.title("Sales")
plt.show()
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A state folder with the environment ``data``, made of what is installed beside these tests."""
    if shutil.which("bwrap") is None:
        missing("bubblewrap is not installed: apt-get install bubblewrap")
    state = tmp_path_factory.mktemp("state")
    folder = state / "guests" / "data"
    versions = {name: _copy(name, folder / "lib") for name in PACKAGES}
    complete(folder, versions, "lock")
    for path in (state, *state.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    return state


def _copy(name, library):
    """Link the files of an installed package; its version."""
    found = importlib.metadata.distribution(name)
    for file in found.files or ():
        if ".." not in file.parts:
            target = library / file
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(Path(str(file.locate())), target)
    return found.version


def _link(source, target):
    try:
        if source.stat().st_mode & 0o004:
            os.link(source, target)
            return
    except OSError:  # another file system
        pass
    shutil.copyfile(source, target)
    target.chmod(0o644)


@pytest.fixture(params=["warm", "cold"])
async def run(request, state):
    """Runs code on the sandbox adapter; gives the result and the events."""
    adapter = SandboxAdapter()
    await adapter.start(AdapterContext({"warm": request.param == "warm"}, state, f"tests-{os.getpid()}"))

    async def execute(code, policy=POLICY, emit=discard):
        return await adapter.execute(ExecutionRequest(code=code, policy=policy.name), policy, emit)

    yield execute
    await adapter.aclose()


async def test_a_chart_comes_with_picture_and_data(run):
    """A figure is shown as SVG and PNG, with its title and its numbers, and nothing is complained of."""
    result = await run(CHART_OF_SALES)
    assert (result.status, result.stderr) == (Status.SUCCEEDED, "")
    (display,) = result.displays
    assert (display.title, list(display.data)[:2]) == ("Sales", ["image/svg+xml", "image/png"])
    (chart,) = json.loads(display.data[CHART])["charts"]
    assert chart["series"] == [
        {"kind": "bar", "label": "", "orientation": "vertical", "x": ["tea", "milk"], "y": [3, 1]}
    ]


async def test_a_chart_is_seen_while_the_program_runs(run):
    """The display is an event as soon as it is shown: whoever sees it can still stop the program."""
    seen = asyncio.Event()
    running = asyncio.ensure_future(run(f"{CHART_OF_SALES}\nwhile True: pass", emit=lambda event: seen.set()))
    async with asyncio.timeout(50):
        await seen.wait()
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_table_is_value_and_display(run):
    """A DataFrame comes back typed, and as HTML and rows."""
    result = await run("import pandas as pd\npd.DataFrame({'n': [1, 2]})")
    assert result.value.rows == ((1,), (2,)), result.stderr
    assert TABLE in result.displays[0].data


async def test_the_fonts_are_there_already(run):
    """Matplotlib finds its list of fonts made; nothing of it is left for the next run."""
    code = """
import matplotlib.font_manager as fonts, os
result = [os.listdir("/guest/site/.matplotlib"), len(fonts.fontManager.ttflist) > 10, os.listdir("/tmp/matplotlib")]
open("/tmp/matplotlib/left", "w").close()
"""
    for _ in range(2):
        result = await run(code)
        made, found, seen = result.value
        assert len(made) == 1
        assert found
        assert seen == made, result.stderr


async def test_nothing_is_shown_twice_to_the_next(run):
    """A figure that one run leaves open is not there in the next."""
    code = "import matplotlib.pyplot as plt\nresult = plt.get_fignums()\nplt.figure()"
    results = await asyncio.gather(*(run(code) for _ in range(3)))
    assert [(result.value, len(result.displays)) for result in results] == [([], 1)] * 3


async def test_charts_work_where_nothing_can_be_written(run):
    """Under a policy without files a warm run draws; a cold one says what matplotlib lacks."""
    result = await run(CHART_OF_SALES, POLICY.model_copy(update={"file_system_access": "none"}))
    assert len(result.displays) == 1 or "writable" in result.stderr


def test_the_environment_is_whole(state):
    """It was made as the command makes it: ready, with its fonts and the libraries that it is linked against."""
    data = Environments(state).get("data")
    assert data.state == "ready"
    assert "matplotlib" in data.packages
    assert any("libc.so" in path for path in data.libraries)
    assert [path.name.startswith("fontlist-") for path in (data.site / ".matplotlib").iterdir()] == [True]
