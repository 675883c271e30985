"""Giving images to a registry, with the credentials that ``docker login`` has kept. None of them is ever shown."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiodocker

from adapters.container.building import Say
from adapters.container.errors import ENGINE_ERRORS, clean, translating
from adapters.container.images import Image, repository
from host.errors import AdapterError
from host.settings import engine_variables

__all__ = ["credentials", "push", "registry_of"]

_HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_S = 30.0


def registry_of(name: str) -> str:
    """The registry of an image's name; one that names none is Docker Hub's."""
    first, slash, _ = name.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else _HUB


async def credentials(registry: str, variables: Mapping[str, str] | None = None) -> dict[str, str] | None:
    """What ``docker login`` has kept for a registry, or None.

    Raises:
        AdapterError: the configuration of Docker cannot be read, or its credential helper fails.
    """
    given = engine_variables() if variables is None else variables
    path = Path(given.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        config = json.loads(path.read_bytes())
        keys = (registry, f"https://{registry}", *((_HUB_KEY, "index.docker.io") if registry == _HUB else ()))
        helpers = {**dict.fromkeys(keys, config.get("credsStore")), **config.get("credHelpers", {})}
        for key in keys:
            if helper := helpers.get(key):
                found = await _ask(str(helper), key)
            else:
                found = _plain(config.get("auths", {}).get(key) or {})
            if found:
                return {**found, "serveraddress": key}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise AdapterError(  # not the error's words: they may hold what the file holds
            f"Docker's configuration {path} cannot be read ({type(error).__name__})",
            remedy=f"Mend it, or log in anew: docker login {registry}",
            may_have_started=False,
        ) from None
    return None


def _plain(entry: Mapping[str, Any]) -> dict[str, str] | None:
    """The credentials in an entry of ``auths``."""
    if entry.get("identitytoken"):
        return {"identitytoken": str(entry["identitytoken"])}
    if entry.get("auth"):
        user, _, password = base64.b64decode(entry["auth"]).decode("utf-8").partition(":")
        return {"username": user, "password": password.rstrip("\0")}
    if entry.get("username"):
        return {"username": str(entry["username"]), "password": str(entry.get("password") or "")}
    return None


async def _ask(helper: str, key: str) -> dict[str, str] | None:
    """Ask a credential helper, which knows the protocol of ``docker-credential-*``."""
    program = f"docker-credential-{helper}"
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise AdapterError(
            f"{program}, which keeps Docker's credentials, does not start: {error.strerror}",
            remedy="Install it, or take credsStore out of Docker's config.json and log in anew.",
            may_have_started=False,
        ) from error
    try:
        async with asyncio.timeout(_HELPER_S):
            said, _ = await process.communicate(key.encode())
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise AdapterError(
            f"{program}, which keeps Docker's credentials, does not answer",
            remedy=f"Try it: echo {key} | {program} get",
            retryable=True,
            may_have_started=False,
        ) from error
    if process.returncode:  # it has none
        return None
    found = json.loads(said)
    if found["Username"] == "<token>":
        return {"identitytoken": str(found["Secret"])}
    return {"username": str(found["Username"]), "password": str(found["Secret"])}


async def push(
    docker: aiodocker.Docker, image: Image, prefix: str, say: Say, auth: Mapping[str, str] | None = None
) -> Sequence[str]:
    """Name an image after a place in a registry, and send it there; its own tag and ``latest``.

    Args:
        docker: the engine.
        image: which.
        prefix: the place, as "registry.example/team".
        say: is given each line of the progress.
        auth: as ``credentials`` gives them.

    Returns:
        What it is called there.

    Raises:
        AdapterError: the registry will not have it; the message has its words.
    """
    name = f"{prefix.rstrip('/')}/{repository(image.language, image.environment)}"
    tag = image.facts["content"][:16] or "latest"
    names = [f"{name}:{each}" for each in dict.fromkeys((tag, "latest"))]
    for full in names:
        await _send(docker, image, full, say, auth)
    return names


async def _send(docker: aiodocker.Docker, image: Image, full: str, say: Say, auth: Mapping[str, str] | None) -> None:
    name, _, tag = full.rpartition(":")
    with translating("creating", f"image {full}"):
        await docker.images.tag(image.id, name, tag=tag)
        try:
            said = ""
            async for told in docker.images.push(name, tag=tag, auth=dict(auth) if auth else None, stream=True):
                line = " ".join(clean(str(told.get(part) or "")) for part in ("id", "status")).strip()
                if line and line != said and not told.get("progressDetail"):
                    say(line)
                said = line
        except BaseException:
            with contextlib.suppress(*ENGINE_ERRORS):
                await docker.images.delete(full)  # the name alone; it would say that the registry has it
            raise
