"""A change has a cut-off besides its moment, and what the hub holds of the household has a date to compare with it.

Attributes that are held already are of an unknown date, which counts as before any cut-off; billing periods and bills
get their end. A message that was waiting for its date keeps it as its cut-off; one of ECS12 has no control bits.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = (
    "ALTER TABLE changes ADD COLUMN cut_off TEXT",
    "ALTER TABLE changes ADD COLUMN hidden TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(hidden))",
    "ALTER TABLE changes ADD COLUMN blocked TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(blocked))",
    "UPDATE changes SET cut_off = at WHERE state = 'scheduled' AND source <> 'command'",
    "UPDATE changes SET control = 0x1800 WHERE state = 'scheduled' AND source = 'ECS12'",
    "ALTER TABLE data_attributes ADD COLUMN time INTEGER DEFAULT 0",
    "ALTER TABLE data_gates ADD COLUMN stamp INTEGER",
    "UPDATE data_gates SET before = 0 WHERE item LIKE '____:____'",
    "ALTER TABLE data_records ADD COLUMN ends INTEGER",
    """
    UPDATE data_records SET ends = ifnull(CASE json_extract(body, '$.billing_period_duration_type.timebase')
        WHEN 0 THEN time + 60 * json_extract(body, '$.billing_period_duration')
        WHEN 1 THEN time + 86400 * json_extract(body, '$.billing_period_duration')
        WHEN 2 THEN time + 604800 * json_extract(body, '$.billing_period_duration')
        WHEN 3 THEN CAST(strftime(
            '%s', time, 'unixepoch', '+' || json_extract(body, '$.billing_period_duration') || ' months'
        ) AS INTEGER)
        END, 0xFFFFFFFF + 946684800)
    WHERE name IN ('billing_periods', 'consolidated_bills')
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
