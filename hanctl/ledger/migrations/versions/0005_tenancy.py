"""Changes of tenancy and supplier, and the evidence of them."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """
    CREATE TABLE changes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL CHECK (kind IN ('tenancy', 'supplier')),
        state TEXT NOT NULL CHECK (state IN ('scheduled', 'done', 'cancelled')),
        at TEXT NOT NULL,
        ordered_at TEXT NOT NULL,
        control INTEGER NOT NULL,
        contactor_corrected INTEGER NOT NULL DEFAULT 0,
        source TEXT NOT NULL DEFAULT 'command',
        issuer_event_id INTEGER,
        done_at TEXT,
        cancelled_at TEXT,
        cleared TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(cleared)),
        held TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(held)),
        notes TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(notes))
    ) STRICT
    """,
    """
    CREATE TABLE change_parts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        change INTEGER NOT NULL REFERENCES changes (id),
        fuel TEXT NOT NULL CHECK (fuel IN ('electricity', 'gas')),
        provider_id INTEGER NOT NULL,
        former_provider_id INTEGER NOT NULL DEFAULT 0,
        provider_name TEXT NOT NULL DEFAULT '',
        provider_contact TEXT NOT NULL DEFAULT '',
        tariff_type INTEGER NOT NULL DEFAULT 0,
        issuer_event_id INTEGER UNIQUE,
        withdrawn TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(withdrawn)),
        UNIQUE (change, fuel)
    ) STRICT
    """,
    """
    CREATE TABLE change_evidence (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        change INTEGER NOT NULL REFERENCES changes (id),
        device TEXT NOT NULL REFERENCES devices (eui64),
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        fuel TEXT,
        what TEXT NOT NULL DEFAULT '',
        status INTEGER
    ) STRICT
    """,
    "CREATE INDEX change_evidence_of ON change_evidence (change, device)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
