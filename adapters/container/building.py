"""Making images: out of this machine's own runtimes, or on top of another image."""

import asyncio
import contextlib
import hashlib
import json
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiodocker
import aiohttp
from aiodocker.jsonstream import json_stream_stream

from adapters.container.context import Context
from adapters.container.digests import Digests
from adapters.container.errors import ENGINE_ERRORS, clean, translating
from adapters.container.images import LABEL, NAME, Image, environment_of, machine_name, repository
from adapters.container.ours import guest_key, own_files
from adapters.container.rootfs import MOUNT_POINTS, Entry, Layer, layer, layers_of
from adapters.guest.catalogue import guests
from adapters.guest.contract import Missing
from adapters.guest.environments import BASE, Environments
from adapters.guest.found import find
from adapters.guest.python.host import find_python
from adapters.runner.package import MAIN
from host.errors import AdapterError

__all__ = ["Plan", "build", "plan"]

Say = Callable[[str], None]

USER = 65532
"""Whom an image's programs run as where nobody says otherwise: it belongs to nobody."""

_PREPARE = Path(__file__).with_name("prepare.py")
_FLAGS = ("-I", "-S", "-X", "utf8", "-u", MAIN)
_LAYER = "understudy.layer"
_TAG_DIGITS = 16
_PROOF = "import sys, ctypes, datetime, decimal, json, zlib; sys.exit(0 if sys.version_info >= (3, 9) else 9)"
_PROOF_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """An image that can be built.

    Attributes:
        reference: its name with its tag; the tag is the hash of all that is in it.
        dockerfile: how the engine makes it.
        layers: what is in it, beside its base.
        keys: for each layer the hash of it and all beneath it; none where it begins from another image.
        last: the lines of the Dockerfile after the layers.
        facts: its labels.
    """

    reference: str
    dockerfile: str
    layers: tuple[Layer, ...]
    keys: tuple[str, ...]
    last: str
    facts: Mapping[str, str]

    @property
    def context(self) -> Context:
        """What the engine is sent."""
        return Context(self.dockerfile, self.layers)


def plan(language: str, state_dir: Path, *, environment: str = BASE, base: str = "", prefix: str = NAME) -> Plan:
    """Look for all that an image needs. Takes a second, and three the first time.

    Args:
        language: one of ``LANGUAGES``.
        state_dir: the host's state folder.
        environment: the guest environment whose packages are to be in it; SQL has always its own.
        base: the image to begin from; "" makes it out of the runtimes of this machine.
        prefix: what its name begins with.

    Raises:
        AdapterError: something that it needs is not here; the remedy says how to get it.
    """
    wanted = environment_of(language, environment)
    folder = state_dir / "container"
    about = f"the image for {language} cannot be made"
    try:
        made = (
            _on_base(language, wanted, state_dir, base) if base else _from_scratch(language, wanted, state_dir, folder)
        )
        layers, facts, head, python = made
        digests = Digests(folder / "digests.json")
        key = hashlib.sha256()
        keys = []
        for each in layers:
            each.update(key, digests)
            keys.append(key.hexdigest())
        digests.keep()
        start = _start(python)
        key.update("\n".join([*head, *start]).encode())
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise AdapterError(
            f"{about}: {_reason(error)}",
            remedy="See that this user may read the runtime's files and write to state_dir.",
            may_have_started=False,
        ) from error
    content = key.hexdigest()
    labels = {
        **facts,
        "language": language,
        "environment": wanted,
        "guest": guest_key(language),
        "content": content,
        "version": version("understudy"),
        "base": base,
    }
    reference = f"{repository(language, wanted, prefix)}:{content[:_TAG_DIGITS]}"
    last = "\n".join([_labelled(labels), *start, ""])
    return Plan(reference, "\n".join([*head, last]), layers, () if base else tuple(keys), last, labels)


_Made = tuple[tuple[Layer, ...], Mapping[str, str], list[str], Sequence[str]]
"""Layers, labels, the lines of the Dockerfile before the labels, the interpreter's command."""


def _from_scratch(language: str, environment: str, state_dir: Path, folder: Path) -> _Made:
    if platform.system() != "Linux":
        raise AdapterError(
            f"the runtimes of {platform.system()} do not run in Linux containers",
            remedy="Begin from an image that has them: understudy image build --base python:3.13-slim python",
            may_have_started=False,
        )
    guest = next(each for each in guests(state_dir) if each.language == language)
    python = find_python(None, "python")
    runtime = find(guest, folder)
    for found in (python, runtime):
        if isinstance(found, Missing):
            raise AdapterError(
                f"there is no {language} on this machine to make an image of: {found.reason}",
                remedy=f"Do: {found.remedy}. Or begin from an image that has it: --base IMAGE.",
                may_have_started=False,
            )
    assert not isinstance(python, Missing)  # noqa: S101 - for the type checker
    assert not isinstance(runtime, Missing)  # noqa: S101
    packages = _packages(environment, state_dir)
    layers = layers_of(guest, python, runtime, environment, folder)
    facts = {
        "python": python.version,
        "runtime": runtime.version,
        "machine": machine_name(),
        "packages": json.dumps(packages, sort_keys=True),
    }
    return layers, facts, ["FROM scratch", *(f"COPY {each.name}/ /" for each in layers)], [str(python.program)]


def _on_base(language: str, environment: str, state_dir: Path, base: str) -> _Made:
    if language == "elixir":
        raise AdapterError(
            "the guest of Elixir is compiled for the Elixir that runs it, so its image begins from no other",
            remedy="Build it from scratch on a machine that has Elixir: understudy image build elixir",
            may_have_started=False,
        )
    known = Environments(state_dir).get(environment).packages
    packages = sorted({"sql": ["duckdb"]}.get(language, known if environment != BASE else ()))
    if environment != BASE and not packages:
        raise _not_ready(environment, state_dir)
    entries = {place.lstrip("/"): Entry("file", path, 0o644) for path, place in own_files(language).items()}
    entries |= {place: Entry("folder") for place in MOUNT_POINTS}
    entries["guest/prepare.py"] = Entry("file", _PREPARE, 0o644)
    run = json.dumps(["python3", "-I", "/guest/prepare.py", language, *packages])
    head = [f"FROM {base}", "USER 0:0", "COPY guest/ /", f"RUN {run}"]
    return (layer("guest", entries),), {"packages": json.dumps(dict.fromkeys(packages, ""))}, head, ["python3"]


def _packages(environment: str, state_dir: Path) -> Mapping[str, str]:
    """The packages of an environment.

    Raises:
        AdapterError: it is not built for the Python of this machine.
    """
    found = Environments(state_dir).get(environment)
    if found.state != "ready":
        raise _not_ready(environment, state_dir)
    return found.packages


def _not_ready(environment: str, state_dir: Path) -> AdapterError:
    found = Environments(state_dir).get(environment)
    return AdapterError(
        f"guest environment {environment} is {found.state}",
        remedy=found.remedy.format(package="PACKAGE"),
        may_have_started=False,
    )


def _start(python: Sequence[str]) -> list[str]:
    """The lines that say how it is started."""
    return [f"USER {USER}:{USER}", "WORKDIR /work", f"ENTRYPOINT {json.dumps([*python, *_FLAGS])}", "CMD []"]


def _labelled(labels: Mapping[str, str]) -> str:
    shown = (f"{LABEL}{name}={json.dumps(value)}" for name, value in sorted(labels.items()))
    return "LABEL " + " \\\n      ".join(shown)


def _reason(error: BaseException) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        said = (error.stderr or b"").decode("utf-8", "replace").strip().splitlines()
        return said[-1] if said else str(error)
    return str(error)


async def build(docker: aiodocker.Docker, planned: Plan, say: Say, *, anew: bool = False) -> Image:
    """Have the engine make the image, and see that its interpreter starts. One that is there already is left as it is.

    Args:
        docker: the engine.
        planned: the image.
        say: is given each line of the engine's progress.
        anew: make it even so, without what the engine remembers of earlier builds.

    Raises:
        AdapterError: it cannot be built; the message has the engine's words.
    """
    about = f"image {planned.reference}"
    await _can_run(docker, planned)
    if not anew and (there := await _inspect(docker, planned.reference)) is not None:
        say("is there already")
        return await _latest(docker, planned, there)
    with translating("creating", about):
        await _make(docker, planned, say, anew=anew)
    made = await _inspect(docker, planned.reference)
    if made is None or made.facts["content"] != planned.facts["content"]:
        raise AdapterError(
            f"{about}: the engine went away while it was built",
            remedy="See the engine's log, and build it again.",
            retryable=True,
            may_have_started=False,
        )
    try:
        await _prove(docker, planned.reference)
    except BaseException:
        with contextlib.suppress(*ENGINE_ERRORS):
            await docker.images.delete(planned.reference)  # or the next build would find it there already
        raise
    return await _latest(docker, planned, made)


async def _latest(docker: aiodocker.Docker, planned: Plan, made: Image) -> Image:
    """Have ``latest`` name it: that is the one that serves."""
    name, _, _ = planned.reference.rpartition(":")
    with translating("creating", f"image {planned.reference}"):
        await docker.images.tag(made.id, name, tag="latest")
    return await _inspect(docker, planned.reference) or made


async def _make(docker: aiodocker.Docker, planned: Plan, say: Say, *, anew: bool) -> None:
    """Build layer upon layer, each as an image without a name that the next image with the same layer begins from: what
    an engine has, it is not sent again.
    """
    beneath = "scratch"
    for each, key in zip(planned.layers, planned.keys, strict=False):
        found = None if anew else await _of_layer(docker, key)
        if found is None:
            # Only what is whole may have the label: each step is an image, and has the labels of the one before.
            dockerfile = f'FROM {beneath}\nLABEL {_LAYER}=""\nCOPY {each.name}/ /\nLABEL {_LAYER}={key}\n'
            await _send(docker, Context(dockerfile, [each]), say, {"nocache": anew})
            found = await _of_layer(docker, key)
        if found is None:  # it keeps no images without names
            break
        beneath = found
    else:
        if planned.keys:
            context = Context(f'FROM {beneath}\nLABEL {_LAYER}=""\n{planned.last}', ())
            await _send(docker, context, say, {"t": planned.reference})
            return
    await _send(docker, planned.context, say, {"t": planned.reference, "nocache": anew})


async def _of_layer(docker: aiodocker.Docker, key: str) -> str | None:
    found = await docker.images.list(filters={"label": [f"{_LAYER}={key}"]}, all=1)
    return str(found[0]["Id"]) if found else None


async def _send(docker: aiodocker.Docker, context: Context, say: Say, parameters: Mapping[str, Any]) -> None:
    sending = docker._query(  # noqa: SLF001 - its own build() has no networkmode, which a base's ONBUILD would need
        "build",
        "POST",
        params={"rm": True, "forcerm": True, "networkmode": "none", **parameters},
        headers={"Content-Type": "application/x-tar"},
        data=context.stream(),
        timeout=aiohttp.ClientTimeout(),
    )
    async with sending as answer:
        async for told in json_stream_stream(answer):
            for line in str(told.get("stream") or told.get("status") or "").splitlines():
                if line.strip():
                    say(clean(line))


async def _inspect(docker: aiodocker.Docker, reference: str) -> Image | None:
    try:
        with translating("probing", f"image {reference}"):
            return Image.of(await docker.images.inspect(reference))
    except AdapterError as error:
        cause = error.__cause__
        if isinstance(cause, aiodocker.DockerError) and cause.status == 404:
            return None
        raise


async def _can_run(docker: aiodocker.Docker, planned: Plan) -> None:
    with translating("probing"):
        told = await docker.version()
    machine, wanted = machine_name(str(told.get("Arch") or "")), planned.facts.get("machine") or ""
    if wanted and machine != wanted:
        raise AdapterError(
            f"the engine's machine is {machine}, and the runtimes here are for {wanted}",
            remedy="Build on a machine like the engine's and push the image, or begin from another: --base IMAGE.",
            may_have_started=False,
        )


async def _prove(docker: aiodocker.Docker, reference: str) -> None:
    """Start the interpreter in it once, shut in as for a program.

    Raises:
        AdapterError: it does not start.
    """
    about = f"image {reference}"
    with translating("creating", about):
        entry = (await docker.images.inspect(reference))["Config"]["Entrypoint"]
        container = await docker.containers.create(
            config={
                "Image": reference,
                "Entrypoint": [*entry[: -len(_FLAGS)], "-I", "-S", "-c", _PROOF],
                "NetworkDisabled": True,
                "HostConfig": {"NetworkMode": "none", "ReadonlyRootfs": True, "CapDrop": ["ALL"]},
            }
        )
        try:
            await container.start()
            async with asyncio.timeout(_PROOF_S):
                code = (await container.wait())["StatusCode"]
            said = "" if code == 0 else "".join(await container.log(stdout=True, stderr=True))
        finally:
            await container.delete(force=True)
    if code != 0:
        raise AdapterError(
            f"{about} was built, but its interpreter does not start (exit code {code}): {clean(said)}",
            remedy="Begin from an image with Python 3.9 or later and its whole standard library.",
            may_have_started=False,
        )
