"""What Alembic runs: the migrations, on the connection and in the transaction that ``host.store.migrate`` hands it."""

from alembic import context

from host.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can, though Alembic assumes that it can't
    render_as_batch=True,
)
context.run_migrations()
