"""What this machine has for a wall, looked at once at start."""

import contextlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.runner import seccomp
from adapters.sandbox.bubblewrap import Bubblewrap, find_bubblewrap
from adapters.sandbox.cgroups import Cgroups, NoCgroups, find_cgroups, owner_tag, remove_leftovers
from adapters.sandbox.settings import SandboxSettings
from adapters.sandbox.strays import kill_strays
from adapters.sandbox.watch import can_watch
from host.errors import AdapterError

__all__ = ["Machine", "survey"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found.

    Attributes:
        is_root: whether this host is root, so that runs get a user id of their own.
        bubblewrap: the program, or None.
        groups: where control groups can be made, or why not.
        architecture: whether there is a system-call table for this processor.
        watches: whether a process tree can be watched from outside.
        record: where this host has written where its groups are.
    """

    is_root: bool
    bubblewrap: Bubblewrap | None
    groups: Cgroups | NoCgroups
    architecture: bool
    watches: bool
    record: Path

    @property
    def cgroups(self) -> Cgroups | None:
        """Where control groups can be made, if anywhere."""
        return self.groups if isinstance(self.groups, Cgroups) else None

    @property
    def counts_from_outside(self) -> bool:
        """Whether memory, CPU time and processes of a whole run are counted outside it."""
        return self.cgroups is not None or self.watches

    def reap(self, dead_owners: Sequence[str]) -> int:
        """Remove the processes and control groups of hosts that are gone."""
        removed = 0
        for owner in dead_owners:
            record = self.record.parent / owner_tag(owner)
            parents = {Path(parent) for parent in _recorded(record)} | set(self.cgroups.parents if self.cgroups else ())
            strays = kill_strays(f"{owner_tag(owner)}-")
            for handle in strays:
                os.close(handle)
            removed += len(strays) + remove_leftovers(parents, owner)
            record.unlink(missing_ok=True)
        return removed

    def close(self) -> None:
        """Forget where this host's groups were: they are gone."""
        with contextlib.suppress(OSError):
            self.record.unlink(missing_ok=True)


def survey(settings: SandboxSettings, owner: str, folder: Path) -> Machine:
    """Look around, and note where control groups will be made, for whoever cleans up after this host."""
    groups = find_cgroups(settings.cgroup, owner)
    record = folder / "owners" / owner_tag(owner)
    if isinstance(groups, Cgroups):
        try:
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps([str(parent) for parent in groups.parents]))
        except OSError as error:
            raise AdapterError(
                f"{record.parent} cannot be written: {error.strerror}",
                remedy="Set state_dir to a folder that this user can write.",
                may_have_started=False,
            ) from error
    return Machine(
        is_root=os.geteuid() == 0,
        bubblewrap=find_bubblewrap(),
        groups=groups,
        architecture=platform.machine() in seccomp.ARCHITECTURES,
        watches=can_watch(),
        record=record,
    )


def _recorded(record: Path) -> list[str]:
    try:
        listed = json.loads(record.read_text())
    except (OSError, ValueError):
        return []
    return [parent for parent in listed if isinstance(parent, str)] if isinstance(listed, list) else []
