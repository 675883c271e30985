"""The attack programs in a session: the runner's confinement inside a machine with walls, as an ordinary user."""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio

from host import build_host, load_settings
from host.errors import AdapterError
from host.hookspecs import hookimpl
from host.specs import AdapterSpec
from host.testing import missing
from host.testing.traces import adopt_orphans, count_in, leave_out
from tests.adapters.bedrock.emulated import EmulatedBedrock, region

pytestmark = pytest.mark.engine

_SUITE = Path(__file__).resolve().parents[2] / "attacks" / "attack_suite.py"


def _load_suite():
    spec = importlib.util.spec_from_file_location("attack_suite", _SUITE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["attack_suite"] = module
    spec.loader.exec_module(module)
    return module


suite = _load_suite()
ATTACKS = suite.attacks()


class _Plugin:
    @hookimpl
    def adapters(self):
        yield AdapterSpec("bedrock", EmulatedBedrock, "under attack", opt_in=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked():
    """One host for all programs. Its folder is open to all: only the machine's walls hide it."""
    try:
        region()
    except AdapterError as error:
        missing(str(error))
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="attacks-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        settings = load_settings(
            environ={},
            overrides={
                "state_dir": str(folder / "state"),
                "plugins.disabled": ("adapters.plugin",),
                "plugins.entry_points": False,
                "adapters.prefer": ("bedrock",),
                "adapters.bedrock": {"enabled": True, "warm": False, "region": "us-east-1"},
            },
        )
        canaries = suite.Canaries(folder)
        try:
            async with build_host(settings, plugins={"under-attack": _Plugin()}) as host:
                adapter = host.registry.get("bedrock")
                leave_out(adapter)
                yield host, canaries
                count_in(adapter)
        finally:
            canaries.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.id for attack in ATTACKS])
async def test_a_session_contains(attacked, attack) -> None:
    """The program ends, reaches nothing, and leaves nothing."""
    host, canaries = attacked
    if reason := suite.not_ready(host, "bedrock"):
        missing(f"bedrock is not ready: {reason}")
    if attack.language not in suite.languages_of(host, "bedrock"):
        missing(f"bedrock does not run {attack.language} here")
    wrong = await suite.run(host, canaries, attack, "bedrock")
    assert not wrong, f"it tries to {attack.tries}:\n" + json.dumps(wrong, indent=1)
