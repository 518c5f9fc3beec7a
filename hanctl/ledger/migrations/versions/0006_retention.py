"""Old events may be removed, by the retention alone: it says below which id while it does, and else that is 0."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    """
    CREATE TABLE retention (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        events_below INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO retention (id, events_below) VALUES (1, 0)",
    "DROP TRIGGER events_are_never_deleted",
    """
    CREATE TRIGGER events_are_deleted_by_retention_alone BEFORE DELETE ON events
    WHEN OLD.id >= (SELECT events_below FROM retention)
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
