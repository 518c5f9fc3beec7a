"""What the hub holds of the household: attributes, dated records, samples, gates and reporting."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    """
    CREATE TABLE data_attributes (
        endpoint INTEGER NOT NULL,
        cluster INTEGER NOT NULL,
        attribute INTEGER NOT NULL,
        data_type INTEGER NOT NULL,
        value BLOB NOT NULL,
        written INTEGER NOT NULL,
        PRIMARY KEY (endpoint, cluster, attribute)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE data_records (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        endpoint INTEGER NOT NULL,
        name TEXT NOT NULL,
        time INTEGER NOT NULL,
        written INTEGER NOT NULL,
        body TEXT NOT NULL CHECK (json_valid(body))
    ) STRICT
    """,
    "CREATE INDEX data_records_by_time ON data_records (endpoint, name, time)",
    """
    CREATE TABLE data_samples (
        endpoint INTEGER NOT NULL,
        name TEXT NOT NULL,
        time INTEGER NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (endpoint, name, time)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE data_gates (
        endpoint INTEGER NOT NULL,
        item TEXT NOT NULL,
        before INTEGER NOT NULL,
        written INTEGER NOT NULL,
        PRIMARY KEY (endpoint, item)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE data_reporting (
        device TEXT NOT NULL,
        device_endpoint INTEGER NOT NULL,
        endpoint INTEGER NOT NULL,
        cluster INTEGER NOT NULL,
        attribute INTEGER NOT NULL,
        min_s INTEGER NOT NULL,
        max_s INTEGER NOT NULL,
        change INTEGER,
        PRIMARY KEY (device, endpoint, cluster, attribute)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE data_writes (number INTEGER NOT NULL, unwiped INTEGER NOT NULL) STRICT",
    "INSERT INTO data_writes VALUES (0, 0)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
