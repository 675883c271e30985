"""Brings a database to the newest form. Alembic is imported only where there is something to do."""

import logging
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from host.errors import StoreError
from host.store.schema import HEAD

__all__ = ["migrate", "version"]

_log = logging.getLogger("understudy.store")


def version(connection: Connection) -> str | None:
    """The migration that the database stands at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found) if found is not None else None


def migrate(connection: Connection) -> None:
    """Run the migrations that are missing, in the caller's transaction, which holds the write lock.

    Raises:
        StoreError: the database was made by a newer version, or by another program.
    """
    found = version(connection)
    if found == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells at length of plugins that nobody asked for
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(
            f"The store was made by another version: it stands at migration {found}, this one knows up to {HEAD}.",
            remedy="Install the newer version again, or set store.url to another database.",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    _log.info("the store stands at migration %s now, it stood at %s", HEAD, found or "none")
