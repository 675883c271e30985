"""Which MicroVMs a host has started, kept where it outlives the host.

A MicroVM has no name and no tags, and no list of AWS's says who started it. So before one is started its client token
is written down: with that token the service names the same MicroVM again, whether or not its first answer arrived.
"""

import json
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from host.errors import AdapterError
from host.events import get_logger

__all__ = ["Ledger", "Record"]

_log = get_logger("understudy.lambda_microvm")
_SEPARATOR = "~"
_ROOM_S = 120  # clocks differ


@dataclass(frozen=True, slots=True)
class Record:
    """One MicroVM.

    Attributes:
        path: where this is written.
        region: where the MicroVM is.
        params: what it was started with, its client token among it.
        until: when AWS has ended it whatever happens, in seconds since 1970.
        microvm: its id; "" where the answer has not arrived.
    """

    path: Path
    region: str
    params: Mapping[str, Any]
    until: float
    microvm: str = ""

    @property
    def is_over(self) -> bool:
        """Whether AWS has ended it by now."""
        return time.time() > self.until + _ROOM_S


class Ledger:
    """The records of every host that keeps its state in one folder.

    Args:
        folder: where they are; made where it is missing.
        owner: this host.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder = folder
        self._owner = owner
        folder.mkdir(parents=True, exist_ok=True)

    def begin(self, region: str, params: Mapping[str, Any], lifetime_s: float) -> Record:
        """A MicroVM is about to be started.

        Raises:
            AdapterError: it cannot be written down, so it must not be started.
        """
        name = f"{quote(self._owner, safe='')}{_SEPARATOR}{uuid.uuid4().hex}.json"
        record = Record(self._folder / name, region, params, time.time() + lifetime_s)
        self._write(record)
        return record

    def know(self, record: Record, microvm: str) -> Record:
        """It has been started, and has this id. Where that cannot be written, its client token still names it."""
        known = replace(record, microvm=microvm)
        try:
            self._write(known)
        except AdapterError as error:
            _log.warning("microvm_record_not_written", microvm=microvm, reason=error.message)
        return known

    def drop(self, record: Record) -> None:
        """There is none any more."""
        with suppress(OSError):
            record.path.unlink(missing_ok=True)

    def of(self, owners: Iterable[str]) -> list[Record]:
        """What these hosts had."""
        wanted = set(owners)
        paths = sorted(self._folder.glob(f"*{_SEPARATOR}*.json"))
        records = (self._read(path) for path in paths if unquote(path.name.partition(_SEPARATOR)[0]) in wanted)
        return [record for record in records if record is not None]

    def sweep(self) -> None:
        """Forget what AWS has ended by now, whoever started it."""
        for path in self._folder.glob(f"*{_SEPARATOR}*.json"):
            if (record := self._read(path)) is not None and record.is_over:
                self.drop(record)

    def _write(self, record: Record) -> None:
        plain = {
            "region": record.region,
            "params": record.params,
            "until": record.until,
            "microvm": record.microvm,
        }
        draft = record.path.with_suffix(".new")
        try:
            draft.write_text(json.dumps(plain), "utf-8")
            draft.replace(record.path)
        except OSError as error:
            raise AdapterError(
                f"{record.path.parent} cannot be written to: {error.strerror}.",
                remedy="Make room, or set state_dir to a folder that this user may write to.",
                may_have_started=False,
            ) from None

    def _read(self, path: Path) -> Record | None:
        try:
            plain = json.loads(path.read_bytes())
            return Record(
                path, str(plain["region"]), dict(plain["params"]), float(plain["until"]), str(plain["microvm"])
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("microvm_record_unreadable", path=str(path), reason=type(error).__name__)
            return None
