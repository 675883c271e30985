"""Executions and the hosts that ran them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "owners",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("machine", sa.String(255), nullable=False),
        sa.Column("lock_folder", sa.Text, nullable=False),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("started_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "executions",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("actor_id", sa.String(200)),
        sa.Column("actor_type", sa.String(100)),
        sa.Column("language", sa.String(32), nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("adapter", sa.String(100)),
        sa.Column("adapter_version", sa.Text),
        sa.Column("status", sa.String(32)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("code_sha256", sa.String(64), nullable=False),
        sa.Column("inputs_sha256", sa.String(64), nullable=False),
        sa.Column("outputs_sha256", sa.String(64), nullable=False),
        sa.Column("policy_sha256", sa.String(64), nullable=False),
        sa.Column("code", sa.LargeBinary),
        sa.Column("inputs", sa.LargeBinary),
        sa.Column("files", sa.LargeBinary),
        sa.Column("result", sa.LargeBinary),
        sa.Column("outputs_kept", sa.Boolean, nullable=False),
        sa.Column("may_have_started", sa.Boolean, nullable=False),
        sa.Column("exit_code", sa.BigInteger),
        sa.Column("signal", sa.String(32)),
        sa.Column("wall_ms", sa.Double),
        sa.Column("cpu_ms", sa.Double),
        sa.Column("peak_memory_bytes", sa.BigInteger),
        sa.Column("output_bytes", sa.BigInteger),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("started_us", sa.BigInteger),
        sa.Column("finished_us", sa.BigInteger),
        sa.Column("retain_until_us", sa.BigInteger),
    )
    op.create_index("executions_by_age", "executions", ["created_us", "id"])
    no_end = sa.text("status IS NULL")
    op.create_index("executions_without_end", "executions", ["owner"], sqlite_where=no_end, postgresql_where=no_end)
    payloads = sa.text("retain_until_us IS NOT NULL")
    op.create_index(
        "executions_to_purge", "executions", ["retain_until_us"], sqlite_where=payloads, postgresql_where=payloads
    )


def downgrade() -> None:
    op.drop_table("executions")
    op.drop_table("owners")
