"""What the emulator knows of a MicroVM image and of its versions."""

import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.emulators.microvm_machine import Hooks
from tests.emulators.microvm_program import Program

__all__ = ["Image", "ImageVersion"]


@dataclass(eq=False)
class ImageVersion:
    """One version of an image: what it was made from, and what came of it."""

    number: str
    configuration: dict[str, Any]
    build_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "PENDING"
    status: str = "ACTIVE"
    reason: str = ""
    program: Program | None = None
    made: datetime = field(default_factory=lambda: datetime.now(UTC))
    built: threading.Event = field(default_factory=threading.Event)

    @property
    def hooks(self) -> Hooks:
        """Its lifecycle hooks."""
        return Hooks.of(self.configuration.get("hooks"))

    @property
    def environment(self) -> dict[str, str]:
        """Its variables."""
        return self.configuration.get("environmentVariables", {})


@dataclass(eq=False)
class Image:
    """An image, its versions in their order."""

    name: str
    arn: str
    tags: dict[str, str]
    versions: dict[str, ImageVersion] = field(default_factory=dict)
    made: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def state(self) -> str:
        """The state of the image is that of its newest build."""
        newest = list(self.versions.values())[-1]
        verb = "CREATE" if len(self.versions) == 1 else "UPDATE"
        under_way = verb[:-1] + "ING"
        return {"SUCCESSFUL": f"{verb}D", "FAILED": f"{verb}_FAILED"}.get(newest.state, under_way)

    def active(self) -> ImageVersion | None:
        """The newest version that may be run."""
        able = [each for each in self.versions.values() if each.state == "SUCCESSFUL" and each.status == "ACTIVE"]
        return able[-1] if able else None

    def shown(self) -> dict[str, Any]:
        """As GetMicrovmImage has it."""
        failed = [each.number for each in self.versions.values() if each.state == "FAILED"]
        active = self.active()
        return {
            "imageArn": self.arn,
            "name": self.name,
            "state": self.state,
            "createdAt": self.made,
            "latestActiveImageVersion": active.number if active else None,
            "latestFailedImageVersion": failed[-1] if failed else None,
        }
