"""What a MicroVM says that it is: our own server says it, before any program has run there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.guest.contract import Runtime
from adapters.runner.job import Place

__all__ = ["Facts", "NotOurs"]


class NotOurs(ValueError):
    """What answered is no server of ours."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A MicroVM.

    Attributes:
        package: the hash of our files in its image.
        memory_mb: what its image was made with: the least that it has, and what is paid for.
        total_mb: what it has now.
        environment: the guest environment that its image has.
        place: where things are in it.
        runtimes: its languages.
        owner: the host that started it, where the service told it so.
        taken: whether it has had its tenant.
    """

    package: str
    memory_mb: int
    total_mb: int
    environment: str
    place: Place
    runtimes: Mapping[str, Runtime]
    owner: str
    taken: bool

    @classmethod
    def read(cls, body: bytes) -> "Facts":
        """From the answer of ``GET /ready``.

        Raises:
            NotOurs: it is no such answer.
        """
        try:
            said: dict[str, Any] = json.loads(body)
            where = {name: str(said["place"][name]) for name in ("guest", "runtime", "work", "temporary")}
            uid = None if said["uid"] is None else int(said["uid"])
            runtimes = {
                str(language): Runtime(str(language), str(each["version"]), Path(str(each["program"])), {})
                for language, each in said["languages"].items()
            }
            return cls(
                package=str(said["package"]),
                memory_mb=int(said["memory_mb"]),
                total_mb=int(said["total_mb"]),
                environment=str(said["environment"]),
                place=Place(
                    guest=where["guest"],
                    runtime=where["runtime"],
                    work=where["work"],
                    temporary=where["temporary"],
                    machine=str(said["machine"]),
                    uid=uid,
                ),
                runtimes=runtimes,
                owner=str(said["owner"] or ""),
                taken=said["taken"] is True,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotOurs(f"{type(error).__name__}: {error}") from None
