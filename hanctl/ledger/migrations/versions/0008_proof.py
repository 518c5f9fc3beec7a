"""Evidence of changes says what shows that it is its device's own word; of what was recorded before, nobody asked."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("ALTER TABLE change_evidence ADD COLUMN proof TEXT NOT NULL DEFAULT 'earlier version'")
