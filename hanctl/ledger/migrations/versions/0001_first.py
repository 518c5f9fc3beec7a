"""Events, devices, images, updates and the webhook's outbox."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time TEXT NOT NULL,
        type TEXT NOT NULL,
        device TEXT,
        update_id INTEGER,
        body TEXT NOT NULL CHECK (json_valid(body))
    ) STRICT
    """,
    "CREATE INDEX events_by_device ON events (device, id) WHERE device IS NOT NULL",
    "CREATE INDEX events_by_update ON events (update_id, id) WHERE update_id IS NOT NULL",
    "CREATE INDEX events_by_type ON events (type, id)",
    """
    CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END
    """,
    """
    CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END
    """,
    """
    CREATE TABLE devices (
        eui64 TEXT PRIMARY KEY,
        added_at TEXT NOT NULL,
        device_type TEXT NOT NULL,
        state TEXT NOT NULL,
        nwk INTEGER UNIQUE,
        endpoints TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(endpoints)),
        manufacturer_code INTEGER,
        manufacturer_name TEXT,
        model TEXT,
        power_source TEXT,
        sleepy INTEGER NOT NULL DEFAULT 0,
        image_type INTEGER,
        hardware_version INTEGER,
        current_version INTEGER,
        joined_at TEXT,
        last_seen TEXT
    ) STRICT
    """,
    """
    CREATE TABLE images (
        file_sha256 TEXT PRIMARY KEY,
        manufacturer_image_sha256 TEXT,
        form TEXT NOT NULL,
        name TEXT NOT NULL,
        manufacturer_code INTEGER NOT NULL,
        image_type INTEGER NOT NULL,
        file_version INTEGER NOT NULL,
        stack_version INTEGER NOT NULL,
        header_string TEXT NOT NULL,
        size INTEGER NOT NULL,
        trailing_bytes INTEGER NOT NULL,
        added_at TEXT NOT NULL,
        hardware_min INTEGER,
        hardware_max INTEGER,
        destination TEXT,
        security_credential_version INTEGER,
        tags TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(tags))
    ) STRICT
    """,
    """
    CREATE TABLE updates (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        device TEXT NOT NULL REFERENCES devices (eui64),
        file_sha256 TEXT NOT NULL,
        manufacturer_image_sha256 TEXT,
        manufacturer_code INTEGER NOT NULL,
        image_type INTEGER NOT NULL,
        file_version INTEGER NOT NULL,
        size INTEGER NOT NULL,
        activation TEXT NOT NULL CHECK (activation IN ('now', 'hold')),
        ordered_at TEXT NOT NULL,
        state TEXT NOT NULL,
        old_version INTEGER,
        offset INTEGER NOT NULL DEFAULT 0,
        notified_at TEXT,
        transfer_started_at TEXT,
        transferred_at TEXT,
        activated_at TEXT,
        ended_at TEXT,
        reason TEXT
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX one_open_update_per_device ON updates (device)
    WHERE state IN ('ordered', 'notified', 'transferring', 'holding', 'activating')
    """,
    """
    CREATE TABLE outbox (
        event INTEGER PRIMARY KEY REFERENCES events (id),
        message_id TEXT NOT NULL UNIQUE,
        body TEXT NOT NULL,
        created_at TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        delivered_at TEXT
    ) STRICT
    """,
    "CREATE INDEX outbox_pending ON outbox (event) WHERE delivered_at IS NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
