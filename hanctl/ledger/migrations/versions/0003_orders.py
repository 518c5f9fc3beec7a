"""Updates: how they were ordered, released and told; devices: power and policies; images: upgrade pathways."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    "ALTER TABLE devices ADD COLUMN battery_percent REAL",
    "ALTER TABLE devices ADD COLUMN activation_policy INTEGER",
    "ALTER TABLE devices ADD COLUMN timeout_policy INTEGER",
    "ALTER TABLE images ADD COLUMN requires TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(requires))",
    "CREATE TABLE attendance (id INTEGER PRIMARY KEY CHECK (id = 1), present_at TEXT NOT NULL) STRICT",
    # SQLite cannot change a CHECK: the table is made anew.
    "DROP INDEX one_open_update_per_device",
    "ALTER TABLE updates RENAME TO updates_before",
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
        activation TEXT NOT NULL CHECK (activation IN ('now', 'hold', 'at', 'by-device')),
        ordered_at TEXT NOT NULL,
        activate_at TEXT,
        "window" TEXT,
        transfer_window TEXT,
        priority TEXT NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high')),
        allow_downgrade INTEGER NOT NULL DEFAULT 0,
        allow_reinstall INTEGER NOT NULL DEFAULT 0,
        ignore_power INTEGER NOT NULL DEFAULT 0,
        requires TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(requires)),
        steps TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(steps)),
        follows INTEGER UNIQUE REFERENCES updates (id),
        state TEXT NOT NULL,
        old_version INTEGER,
        offset INTEGER NOT NULL DEFAULT 0,
        notified_at TEXT,
        transfer_started_at TEXT,
        transferred_at TEXT,
        released_at TEXT,
        release_tried_at TEXT,
        activated_at TEXT,
        cancel_asked_at TEXT,
        ended_at TEXT,
        reason TEXT,
        message INTEGER,
        notices TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(notices)),
        CHECK (activation <> 'at' OR activate_at IS NOT NULL)
    ) STRICT
    """,
    # A release that had not reached its device was kept as activation "now" of an update that is holding. The notice of
    # activation was told with the confirmation; of the other stages nobody is told in hindsight.
    """
    INSERT INTO updates (
        id, device, file_sha256, manufacturer_image_sha256, manufacturer_code, image_type, file_version, size,
        ordered_at, state, old_version, offset, notified_at, transfer_started_at, transferred_at, activated_at,
        ended_at, reason,
        activation, released_at, release_tried_at, notices
    )
    SELECT
        id, device, file_sha256, manufacturer_image_sha256, manufacturer_code, image_type, file_version, size,
        ordered_at, state, old_version, offset, notified_at, transfer_started_at, transferred_at, activated_at,
        ended_at, reason,
        CASE WHEN state = 'holding' THEN 'hold' ELSE activation END,
        CASE WHEN state = 'holding' AND activation = 'now' THEN coalesce(transferred_at, ordered_at)
             WHEN state = 'activating' THEN activated_at END,
        CASE WHEN state = 'holding' AND activation = 'now' THEN coalesce(transferred_at, ordered_at)
             WHEN state = 'activating' THEN activated_at END,
        CASE WHEN state = 'confirmed' THEN '["delivery","transfer","activation"]'
             WHEN transferred_at IS NOT NULL THEN '["delivery","transfer"]' ELSE '["delivery"]' END
    FROM updates_before
    """,
    "DROP TABLE updates_before",
    """
    CREATE UNIQUE INDEX one_open_update_per_device ON updates (device) WHERE state IN
    ('ordered', 'notified', 'transferring', 'verifying', 'holding', 'activating', 'in_doubt')
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
