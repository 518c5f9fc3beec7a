"""Select the events that may be removed, and remove them.

What stays however old it is, as it is evidence: the first event, which says since when there is a hub; activation
notices; what happened in changes of tenancy and supplier; notices that no webhook has accepted yet; and the last that
names the hub's network and dongle. And the story of an update, from its order on, stays whole until long after its end.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from hanctl.ledger.rows import Execute, time_text
from hanctl.model.event import EVENT_TYPES
from hanctl.model.limit_events import EventsCounted
from hanctl.model.update_states import OPEN_STATES

_OPEN = ", ".join(f"'{state}'" for state in sorted(OPEN_STATES))

_LIMITED = "(type IN (SELECT value FROM json_each(?)) AND update_id IS NULL)"
"""What anybody can cause has a limit of its own, and pushes nothing else out. Of an update's story it is evidence."""

# Not of the story: a change is overdue every day.
_REMOVABLE = f"""
    SELECT id FROM events
    WHERE id > ? AND (id < ? OR (id < ? AND {_LIMITED})) AND id > (SELECT min(id) FROM events)
    AND type <> 'activation.notice'
    AND (type NOT GLOB 'change.*' OR type = 'change.overdue')
    AND id NOT IN (SELECT event FROM outbox WHERE delivered_at IS NULL)
    AND id <> (SELECT coalesce(max(id), 0) FROM events WHERE type IN ('network.formed', 'network.resumed'))
    AND id <> (SELECT coalesce(max(id), 0) FROM events WHERE type = 'dongle.opened')
    AND (update_id IS NULL OR update_id NOT IN (
        SELECT id FROM updates WHERE state IN ({_OPEN}) OR message IS NOT NULL OR ended_at >= ?
    ))
    ORDER BY id LIMIT ?
"""  # noqa: S608


class Pruning:
    """Selection and removal of events for the retention."""

    def __init__(self, execute: Execute, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._execute = execute
        self._transaction = transaction

    def first_since(self, moment: datetime) -> int | None:
        """Return the id of the first event that is not older; None if all are."""
        found = self._execute(
            "SELECT id FROM events WHERE time >= ? ORDER BY id LIMIT 1", (time_text(moment),)
        ).fetchone()
        return None if found is None else int(found[0])

    def first_of_last(self, number: int, *, limited: bool) -> int:
        """Return the id of the first of the newest ``number`` events; 0 if there are fewer. Ids have gaps.

        ``limited``: of those that anybody can cause; else of the others.
        """
        found = self._execute(
            f"SELECT id FROM events WHERE {'' if limited else 'NOT '}{_LIMITED} ORDER BY id DESC LIMIT 1 OFFSET ?",  # noqa: S608
            (_limited_types(), number - 1),
        ).fetchone()
        return 0 if found is None else int(found[0])

    def remove(self, after: int, below: int, limited_below: int, ended_since: datetime, most: int) -> list[int]:
        """Remove the first ``most`` removable events between these ids, with their notices. Returns their ids.

        ``limited_below``: the same for events that anybody can cause. ``ended_since``: events of updates that ended
        before then may be removed.
        """
        with self._transaction():
            ids = [
                int(row[0])
                for row in self._execute(
                    _REMOVABLE, (after, below, limited_below, _limited_types(), time_text(ended_since), most)
                ).fetchall()
            ]
            if ids:
                # But within this transaction, the ledger itself refuses to delete an event.
                self._execute("UPDATE retention SET events_below = ?", (max(below, limited_below),))
                for table, key in (("outbox", "event"), ("events", "id")):
                    self._execute(
                        f"DELETE FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))",  # noqa: S608
                        (json.dumps(ids),),
                    )
                self._execute("UPDATE retention SET events_below = 0")
        return ids


def _limited_types() -> str:
    return json.dumps([name for name, kind in EVENT_TYPES.items() if kind.limited or kind is EventsCounted])
