"""The attack programs in a session: the runner's confinement inside a machine with walls, as an ordinary user."""

import tempfile
from pathlib import Path

import pytest
import pytest_asyncio

from host.errors import AdapterError
from host.hookspecs import hookimpl
from host.specs import AdapterSpec
from host.testing import missing
from tests.adapters.bedrock.emulated import EmulatedBedrock, region
from tests.attacks import attack_suite as suite

pytestmark = pytest.mark.engine

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
    with tempfile.TemporaryDirectory(prefix="attacks-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        only_this = {
            "plugins.disabled": ("adapters.plugin",),
            "adapters.prefer": ("bedrock",),
            "adapters.bedrock": {"enabled": True, "warm": False, "region": "us-east-1"},
        }
        async with suite.host_under_attack(folder, {"under-attack": _Plugin()}, **only_this) as under_attack:
            yield under_attack


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.id for attack in ATTACKS])
async def test_a_session_contains(attacked, attack) -> None:
    """The program ends, reaches nothing, and leaves nothing."""
    await suite.contained(attacked, attack, "bedrock")
