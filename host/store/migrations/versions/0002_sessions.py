"""Sessions, and which execution was a command of one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("actor_id", sa.String(200)),
        sa.Column("actor_type", sa.String(100)),
        sa.Column("language", sa.String(32), nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("adapter", sa.String(100), nullable=False),
        sa.Column("adapter_version", sa.Text, nullable=False),
        sa.Column("idle_ms", sa.BigInteger, nullable=False),
        sa.Column("lifetime_ms", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger),
        sa.Column("ended_by", sa.String(32)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("commands", sa.BigInteger, nullable=False),
        sa.Column("wall_ms", sa.Double, nullable=False),
        sa.Column("cpu_ms", sa.Double, nullable=False),
        sa.Column("output_bytes", sa.BigInteger, nullable=False),
    )
    no_end = sa.text("ended_us IS NULL")
    op.create_index("sessions_without_end", "sessions", ["owner"], sqlite_where=no_end, postgresql_where=no_end)
    op.create_index("sessions_by_age", "sessions", ["created_us", "id"])
    op.add_column("executions", sa.Column("session", sa.String(128)))
    commands = sa.text("session IS NOT NULL")
    op.create_index(
        "executions_by_session",
        "executions",
        ["session", "created_us", "id"],
        sqlite_where=commands,
        postgresql_where=commands,
    )


def downgrade() -> None:
    op.drop_index("executions_by_session", "executions")
    op.drop_column("executions", "session")
    op.drop_table("sessions")
