"""Run by alembic: migrate over the connection that ``hanctl.ledger.migrating`` opened, in its transaction."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
