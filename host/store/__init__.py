"""The store: every execution with its provenance, durable before it is acknowledged.

``interface.py`` says what the host may ask; ``sql.py`` answers it on SQLite. SQLAlchemy is imported only when a store
is opened.
"""

import asyncio
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from host.store.interface import Durability, Store

__all__ = ["open_store"]


async def open_store(
    url: str = "", *, state_dir: Path, durability: "Durability" = "process", retain_days: int = 0
) -> "Store":
    """Open the store, migrate it where it is behind, and start its writer.

    Args:
        url: an SQLAlchemy URL (``sqlite:////srv/understudy.db``); empty means ``understudy.db`` in ``state_dir``.
        state_dir: the host's folder; made where it is missing.
        durability: what a row that was acknowledged outlives: ``process`` (this process, however it ends) or ``power``
            (a loss of power as well, at the price of waiting for the disk twice a run).
        retain_days: how long records are kept, in days; 0 keeps them for ever. Their payloads go earlier where the
            policy says so.

    Raises:
        StoreError: the database cannot be opened, read or written.
        ConfigurationError: the URL is malformed or names a database that is not supported.
    """
    sql = await asyncio.to_thread(importlib.import_module, "host.store.sql")
    store: Store = await sql.SqlStore.open(url, state_dir=state_dir, durability=durability, retain_days=retain_days)
    return store
