"""The images of this version, for all languages that this machine has."""

import asyncio
import functools
import tempfile
from pathlib import Path

from adapters.container.building import build, plan
from adapters.container.engine import connect
from adapters.container.ours import LANGUAGES
from adapters.container.settings import ContainerSettings
from host.errors import AdapterError


@functools.cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    """Where images are prepared, once in a test session."""
    return tempfile.TemporaryDirectory(prefix="images-")


async def build_all(settings: ContainerSettings) -> None:
    """Have the engine build what it does not have yet.

    Raises:
        AdapterError: there is no engine, or it cannot build.
    """
    docker = connect(settings)
    try:
        for language in LANGUAGES:
            try:
                planned = await asyncio.to_thread(plan, language, Path(_folder().name))
            except AdapterError:  # this machine lacks the language; where CI is set another test fails for that
                continue
            await build(docker, planned, lambda line: None)
    finally:
        await docker.close()
