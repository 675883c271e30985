"""The tables. Columns are plain text, integers and bytes, so that SQLite and PostgreSQL hold the same.

A time is an integer: microseconds since 1970 in UTC.
"""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, LargeBinary, MetaData, String, Table, Text

__all__ = ["HEAD", "executions", "metadata", "owners", "sessions"]

HEAD = "0002"
"""The newest migration. Compared at start, so that Alembic is imported only where there is something to migrate."""

metadata = MetaData()

owners = Table(
    "owners",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("machine", String(255), nullable=False),
    Column("lock_folder", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("started_us", BigInteger, nullable=False),
)

executions = Table(
    "executions",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("actor_id", String(200)),
    Column("actor_type", String(100)),
    Column("language", String(32), nullable=False),
    Column("policy", String(64), nullable=False),
    Column("adapter", String(100)),
    Column("adapter_version", Text),
    Column("status", String(32)),  # null until the end
    Column("reason", Text, nullable=False),
    Column("code_sha256", String(64), nullable=False),
    Column("inputs_sha256", String(64), nullable=False),
    Column("outputs_sha256", String(64), nullable=False),
    Column("policy_sha256", String(64), nullable=False),
    Column("code", LargeBinary),
    Column("inputs", LargeBinary),  # wire form
    Column("files", LargeBinary),  # JSON array of what went in
    Column("result", LargeBinary),  # JSON of the ExecutionResult
    Column("outputs_kept", Boolean, nullable=False),
    Column("may_have_started", Boolean, nullable=False),
    Column("exit_code", BigInteger),
    Column("signal", String(32)),
    Column("wall_ms", Double),
    Column("cpu_ms", Double),
    Column("peak_memory_bytes", BigInteger),
    Column("output_bytes", BigInteger),
    Column("created_us", BigInteger, nullable=False),
    Column("started_us", BigInteger),
    Column("finished_us", BigInteger),
    Column("retain_until_us", BigInteger),  # null once the payloads are gone
    Column("session", String(128)),  # whose command it was
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("actor_id", String(200)),
    Column("actor_type", String(100)),
    Column("language", String(32), nullable=False),
    Column("policy", String(64), nullable=False),
    Column("adapter", String(100), nullable=False),
    Column("adapter_version", Text, nullable=False),
    Column("idle_ms", BigInteger, nullable=False),
    Column("lifetime_ms", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),  # null while it lives
    Column("ended_by", String(32)),
    Column("reason", Text, nullable=False),
    Column("commands", BigInteger, nullable=False),
    Column("wall_ms", Double, nullable=False),
    Column("cpu_ms", Double, nullable=False),
    Column("output_bytes", BigInteger, nullable=False),
)

Index("executions_by_age", executions.c.created_us, executions.c.id)
Index(
    "executions_without_end",
    executions.c.owner,
    sqlite_where=executions.c.status.is_(None),
    postgresql_where=executions.c.status.is_(None),
)
Index(
    "executions_by_session",
    executions.c.session,
    executions.c.created_us,
    executions.c.id,
    sqlite_where=executions.c.session.is_not(None),
    postgresql_where=executions.c.session.is_not(None),
)
Index(
    "sessions_without_end",
    sessions.c.owner,
    sqlite_where=sessions.c.ended_us.is_(None),
    postgresql_where=sessions.c.ended_us.is_(None),
)
Index("sessions_by_age", sessions.c.created_us, sessions.c.id)
Index(
    "executions_to_purge",
    executions.c.retain_until_us,
    sqlite_where=executions.c.retain_until_us.is_not(None),
    postgresql_where=executions.c.retain_until_us.is_not(None),
)
