"""Every attack is contained by real containers, as it is by the local wall, on each OCI runtime that is tested."""

import tempfile
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.container.settings import ContainerSettings
from host.errors import AdapterError
from host.testing import missing
from tests.adapters.container.every_image import build_all
from tests.attacks import attack_suite as suite

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]
ATTACKS = suite.attacks()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["runc", "crun"])
async def attacked(request):
    """One host for all programs on one runtime, so that a spoiled host shows."""
    settings = {"runtime": request.param, "start_timeout_ms": 60_000, "enabled": True}
    try:
        await build_all(ContainerSettings.read(settings))
    except AdapterError as error:
        missing(f'{error}; `eval "$(scripts/engine start)"` starts an engine')
    with tempfile.TemporaryDirectory(prefix="attacks-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        table = {f"adapters.container.{key}": value for key, value in settings.items()}
        async with suite.host_under_attack(folder, **table) as (host, canaries):
            yield host, canaries


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.id for attack in ATTACKS])
async def test_containers_contain(attacked, attack) -> None:
    """The program ends as it should, reaches nothing, and leaves nothing."""
    await suite.contained(attacked, attack, "container")
