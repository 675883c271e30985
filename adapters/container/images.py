"""The images that an engine has of our languages, and which of them fit this host.

An image says in its labels what it is. One fits when it has the same guest and the same runner as this host, for its
processor; among those the one that was built last serves, which ``latest`` names. So an image that somebody else has
built and pushed is as good as one's own.
"""

import json
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import aiodocker

from adapters.container.errors import translating
from adapters.container.ours import guest_key
from adapters.guest.environments import BASE, SQL
from host.errors import AdapterError
from host.interface import Finding

__all__ = [
    "LABELS",
    "NAME",
    "Image",
    "Images",
    "environment_of",
    "machine_name",
    "missing",
    "missing_error",
    "repository",
]

NAME = "understudy-guest"
"""What the names of images begin with, unless the setting ``adapters.container.images`` says otherwise."""

LABEL = "understudy."
LABELS = ("language", "environment", "guest", "content", "version", "python", "runtime", "machine", "packages", "base")
"""
=========== ==========================================================================================================
language    whose guest it is
environment the guest environment whose packages are in it; ``base`` has none
guest       ``guest_key`` of that language: which hosts it fits
content     the hash of all that is in it; its tag is the beginning of it
version     of this product
python      version of the interpreter that the runner runs on, "" where it began from another image
runtime     version of the language's own runtime, likewise
machine     processor, as ``uname -m`` calls it, likewise
packages    versions by name, as JSON
base        the image that it began from; "" where it was made from scratch
=========== ==========================================================================================================
"""

State = Literal["current", "superseded", "stale"]
_FRACTION = re.compile(r"\.\d+")


@dataclass(frozen=True, slots=True)
class Image:
    """One image of ours.

    Attributes:
        id: what containers are made from; no other image can take its place under way.
        references: its names.
        size_bytes: of all its layers, those that it shares included.
        built_at: when, in UTC.
        facts: its labels, those of ``LABELS``.
    """

    id: str
    references: tuple[str, ...]
    size_bytes: int
    built_at: datetime
    facts: Mapping[str, str]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Image":
        """An image as the engine lists it, or as it tells of one."""
        labels = told.get("Labels") or (told.get("Config") or {}).get("Labels") or {}
        return cls(
            id=str(told["Id"]),
            references=tuple(sorted(each for each in told.get("RepoTags") or () if "<none>" not in each)),
            size_bytes=int(told.get("Size") or 0),
            built_at=_time(told.get("Created")),
            facts={name: str(labels.get(LABEL + name) or "") for name in LABELS},
        )

    @property
    def language(self) -> str:
        """Whose guest it is."""
        return self.facts["language"]

    @property
    def environment(self) -> str:
        """The guest environment whose packages are in it."""
        return self.facts["environment"] or BASE

    @property
    def reference(self) -> str:
        """How people call it."""
        names = sorted(self.references, key=lambda name: (name.endswith(":latest"), len(name)))
        return names[0] if names else self.id.removeprefix("sha256:")[:12]

    @property
    def is_latest(self) -> bool:
        """Whether it is what was built last. The time says less: what is there already is not made again."""
        return any(name.endswith(":latest") for name in self.references)

    @property
    def packages(self) -> Mapping[str, str]:
        """The packages of its environment: versions by name."""
        try:
            packages = json.loads(self.facts["packages"] or "{}")
        except ValueError:
            return {}
        return packages if isinstance(packages, dict) else {}

    @property
    def fits(self) -> bool:
        """Whether it has this host's guest and runner."""
        return self.facts["guest"] == guest_key(self.language)

    def as_json(self) -> dict[str, object]:
        """Plain data for ``--json``."""
        return {
            "language": self.language,
            "environment": self.environment,
            "reference": self.reference,
            "id": self.id,
            "size_bytes": self.size_bytes,
            "built_at": self.built_at.isoformat(timespec="seconds"),
            **{name: self.facts[name] for name in ("python", "runtime", "machine", "version", "base", "content")},
            "packages": dict(self.packages),
        }


class Images:
    """The images of one engine.

    Args:
        found: as the engine listed them.
        machine: the processor of the engine's machine; images for another are not for it.
    """

    def __init__(self, found: Iterable[Image], machine: str = "") -> None:
        self._found = tuple(sorted(found, key=lambda image: (image.is_latest, image.built_at), reverse=True))
        self._machine = machine

    @classmethod
    async def read(cls, docker: aiodocker.Docker) -> "Images":
        """Ask the engine.

        Raises:
            AdapterError: it does not answer.
        """
        with translating("probing", "the engine's images"):
            told = await docker.images.list(filters={"label": [f"{LABEL}guest"]})
            version = await docker.version()
        named = (image for image in map(Image.of, told) if image.references)  # others are what a build has left
        return cls(named, machine_name(str(version.get("Arch") or "")))

    def __iter__(self) -> Any:
        """All of them, what was built last first."""
        return iter(self._found)

    def current(self, language: str, environment: str = BASE) -> Image | None:
        """The image that serves a language under policies with that guest environment."""
        wanted = environment_of(language, environment)
        return next((image for image in self._of(language, wanted) if image.fits), None)

    def state(self, image: Image) -> State:
        """Whether it serves, whether a newer one does, or whether it fits another version of this product."""
        if not image.fits or image not in self._of(image.language, image.environment):
            return "stale"
        return "current" if self.current(image.language, image.environment) == image else "superseded"

    def finding(self, language: str, environment: str = BASE) -> Finding:
        """What there is for a language, for a readiness check."""
        image = self.current(language, environment)
        if image is not None:
            about = f"{image.reference}, built {image.built_at:%Y-%m-%d %H:%M} UTC"
            runtime = f", {language} {image.facts['runtime']}" if image.facts["runtime"] else ""
            return Finding(name=f"image {language}", ok=True, reason=f"{about}{runtime}")
        wanted = environment_of(language, environment)
        return missing(language, wanted, self._of(language, wanted))

    def _of(self, language: str, environment: str) -> list[Image]:
        return [
            image
            for image in self._found
            if image.language == language
            and image.environment == environment
            and image.facts["machine"] in ("", self._machine or image.facts["machine"])
        ]


def environment_of(language: str, environment: str) -> str:
    """The guest environment that an image for that language has under a policy that names ``environment``."""
    return {"python": environment or BASE, "sql": SQL}.get(language, BASE)


def repository(language: str, environment: str = BASE, prefix: str = NAME) -> str:
    """The name of an image without its tag, as "understudy-guest-python-data"."""
    wanted = environment_of(language, environment)
    extra = f"-{wanted}" if wanted not in (BASE, SQL) else ""
    return f"{prefix or NAME}-{language}{extra}"


def missing(language: str, environment: str = BASE, others: Sequence[Image] = ()) -> Finding:
    """There is no image, or only such as do not fit.

    Args:
        language: that was wanted.
        environment: its guest environment.
        others: images for other versions of this product.
    """
    extra = f" --environment {environment}" if environment not in (BASE, SQL) else ""
    packages = f" with guest environment {environment}" if extra else ""
    reason = (
        f"{others[0].reference} is of another version of the guest"
        if others
        else f"the engine has no image for {language}{packages}"
    )
    return Finding(
        name=f"image {language}", ok=False, reason=reason, remedy=f"understudy image build {language}{extra}"
    )


def missing_error(language: str, environment: str = BASE) -> AdapterError:
    """The same for a run that needs it."""
    finding = missing(language, environment_of(language, environment))
    return AdapterError(finding.reason, remedy=f"Build it: {finding.remedy}.", may_have_started=False)


def machine_name(name: str = "") -> str:
    """A processor as ``uname -m`` calls it on Linux; by default this machine's."""
    said = (name or platform.machine()).lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(said, said)


def _time(told: Any) -> datetime:
    """A time as seconds, or as text with more digits than Python reads."""
    if isinstance(told, int | float):
        return datetime.fromtimestamp(told, UTC)
    try:
        said = datetime.fromisoformat(_FRACTION.sub("", str(told)).replace("Z", "+00:00"))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return said if said.tzinfo else said.replace(tzinfo=UTC)
