"""The engine of this machine, and the images that all tests here share."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.container.building import build, plan
from adapters.container.engine import Client, connect, greet
from adapters.container.images import Image
from adapters.container.ours import LANGUAGES
from adapters.container.settings import ContainerSettings
from host.errors import AdapterError
from host.testing import missing


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses the engine is marked so; and one event loop for all tests here: a client belongs to its loop."""
    here = Path(__file__).parent
    for item in items:
        if here not in item.path.parents:
            continue
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.engine)
        if asyncio.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine() -> AsyncIterator[Client]:
    """A client of the container engine that is running here."""
    try:
        docker = connect(ContainerSettings())
    except AdapterError as error:
        missing(f'{error.message}; `eval "$(scripts/engine start)"` starts one')
    await greet(docker)
    yield docker
    await docker.close()


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder for making images."""
    return tmp_path_factory.mktemp("images")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def images(engine: Client, image_folder: Path) -> Mapping[str, Image]:
    """The image of each language, built where it is not there already."""
    made: dict[str, Image] = {}
    for language in LANGUAGES:
        try:
            planned = await asyncio.to_thread(plan, language, image_folder)
        except AdapterError as error:
            missing(f"{error}; `.ci/run` installs what it needs")
        made[language] = await build(engine, planned, lambda line: None)
    return made


@pytest.fixture
def shut_in() -> dict[str, Any]:
    """What a container is made with that is to be shut on every side."""
    return {
        "NetworkDisabled": True,
        "HostConfig": {
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Memory": 256 << 20,
            "PidsLimit": 64,
        },
    }
