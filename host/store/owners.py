"""Which hosts of this machine are alive: each holds a lock on a file of its own for as long as it lives.

The kernel gives a lock back when its process dies, however it dies. So a lock that can be taken belongs to a host that
is gone.
"""

import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from host.errors import StoreError
from host.models import new_id
from host.store.interface import OwnerInfo, Store

__all__ = ["OwnerLock", "lives", "recover_dead"]


class OwnerLock:
    """This host's proof of life, and its view of the others.

    Attributes:
        info: what ``Store.register`` takes; ``info.id`` is the owner id.
    """

    def __init__(self, info: OwnerInfo, path: Path, descriptor: int) -> None:
        self.info = info
        self._path = path
        self._descriptor = descriptor
        self._taken: dict[str, tuple[Path, int]] = {}

    @property
    def id(self) -> str:
        return self.info.id

    @classmethod
    def acquire(cls, state_dir: Path) -> Self:
        """Make and lock ``state_dir/owners/<id>.lock``.

        Raises:
            StoreError: the folder cannot be written.
        """
        folder = (state_dir / "owners").absolute()
        info = OwnerInfo(new_id(), socket.gethostname(), str(folder), os.getpid(), datetime.now(UTC))
        # Locked under another name first: nobody may find the file by its name before it is locked.
        hidden, path = folder / f".{info.id}.new", folder / f"{info.id}.lock"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(descriptor, json.dumps({"pid": info.pid, "machine": info.machine}).encode())
            hidden.rename(path)
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be written: {error.strerror}.",
                remedy="Make it writable, or set state_dir to a folder that is.",
            ) from error
        return cls(info, path, descriptor)

    def dead(self, suspects: list[str] | None = None) -> tuple[str, ...]:
        """The ids of hosts that are gone. Their locks are held until ``forget``, so that one host alone cleans up after
        them.

        Args:
            suspects: ids that the store knows of this machine and folder; one without a lock file is gone too.
        """
        present = {path.stem: path for path in self._path.parent.glob("*.lock") if path.stem != self.id}
        for owner, path in present.items():
            if owner not in self._taken and (descriptor := _try_lock(path)) is not None:
                self._taken[owner] = (path, descriptor)
        missing = [owner for owner in suspects or () if owner not in present and owner != self.id]
        return tuple(sorted({*self._taken, *missing}))

    def forget(self) -> None:
        """Remove the lock files of the dead: all they left behind is cleaned up."""
        for path, descriptor in self._taken.values():
            path.unlink(missing_ok=True)
            os.close(descriptor)
        self._taken.clear()

    def release(self) -> None:
        """Give this host's own lock back. Releasing twice is no error."""
        for _, descriptor in self._taken.values():
            os.close(descriptor)
        self._taken.clear()
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


async def recover_dead(store: Store, lock: OwnerLock) -> tuple[tuple[str, ...], int]:
    """Give every execution of a dead host its end.

    Returns:
        The ids of the dead, for ``Adapter.reap``, and how many executions were marked ``interrupted``. Call
        ``lock.forget`` after reaping.
    """
    suspects = await store.owners_at_work(machine=lock.info.machine, lock_folder=lock.info.lock_folder)
    dead = lock.dead(suspects)
    return dead, await store.recover(dead) if dead else 0


async def lives(store: Store, lock: OwnerLock, owner: str) -> bool:
    """Whether the host with that id is alive. One on another machine counts as alive: nothing here can tell."""
    if owner == lock.id:
        return True
    info = await store.get_owner(owner)
    if info is None or info.machine != lock.info.machine:
        return info is not None
    path = Path(info.lock_folder) / f"{owner}.lock"
    descriptor = _try_lock(path)
    if descriptor is None:  # held, or gone, or another user's
        return path.exists()
    os.close(descriptor)  # its file stays, for the host that starts next and cleans up
    return False


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock, or None where somebody else holds it or the file is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # removed by the host that cleaned up first, or another user's
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:  # else it was removed between opening and locking
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
