"""Devices: when a link key was established with them, and when and why they were removed."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    "ALTER TABLE devices ADD COLUMN keyed_at TEXT",
    "ALTER TABLE devices ADD COLUMN removed_at TEXT",
    "ALTER TABLE devices ADD COLUMN removed_reason TEXT",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
