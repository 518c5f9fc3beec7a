"""Read attributes of a device before it is told of a change, and read them back afterwards.

Most displays serve nothing, and then nothing can be seen. Only what held something before is looked at afterwards.
Values are never kept: what was there is remembered by name, in the ledger, and by a keyed digest in memory, which
tells the last tenant's value from a new one as long as the hub runs.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Protocol

import structlog

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.data import catalogue
from hanctl.han.interview import endpoint_with
from hanctl.ledger.ledger import Ledger
from hanctl.model.change_records import Change, Evidence
from hanctl.model.cuts import AttributeKey
from hanctl.tenancy.controls import Control, told
from hanctl.tenancy.evidence.records import Records

log = structlog.get_logger()

Value = int | str | bytes | None

AFTER_S = (60.0, 2 * 3600.0, *(day * 86400.0 for day in range(1, 8)))
"""When it is looked, counted from when the device took all of it; and whenever it comes back."""
BEFORE_S = 60.0
"""No longer does a device wait to be told because it is slow to be read."""
RETURN_S = 30.0
"""A device that comes back is looked at after so long."""
AT_ONCE = 5
"""Attributes in one request: their values fit one frame, with the ids of a secret."""


class LookReader(Protocol):
    """Interface of the HAN that read-back uses."""

    async def read_attributes(
        self, eui64: Eui64, *, cluster: int, attributes: Sequence[int], endpoint: int | None = None
    ) -> dict[int, Value]: ...


@dataclass(slots=True)
class _Look:
    """One device and change to read back. ``due``: monotonic times."""

    due: list[float]


class Looks:
    """Read back devices. ``run`` does so after they were told; ``before`` reads at once."""

    def __init__(self, ledger: Ledger, han: LookReader, records: Records, clock: Clock) -> None:
        self._ledger = ledger
        self._han = han
        self._records = records
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._digests: dict[tuple[int, Eui64], dict[AttributeKey, bytes]] = {}
        self._looks: dict[tuple[int, Eui64], _Look] = {}
        self._wake = asyncio.Event()

    async def before(self, change: Change, eui64: Eui64) -> None:
        """Note what the device shows before it is told. A device that does not answer is told all the same."""
        shown: dict[AttributeKey, Value] = {}
        try:
            async with asyncio.timeout(BEFORE_S):
                shown = await self._shown(eui64, self._asked(change, eui64))
        except (HanctlError, TimeoutError) as error:
            log.info("a device was not read before it was told", device=eui64, change=change.id, reason=str(error))
        if shown:
            self._digests[change.id, eui64] = {key: self._digest(value) for key, value in shown.items()}
            if not any(each.kind == "showed before" for each in self._records.of(change.id, eui64)):
                self._records.showed_before(change.id, eui64, _keys(shown))

    def told(self, change: Change, eui64: Eui64) -> None:
        """Schedule a read-back: the device received everything that it is told of the change."""
        if self._showed(change.id, eui64):
            # Of a date to come it clears only then.
            wait = max(0.0, (change.takes_effect - self._clock.now()) / timedelta(seconds=1))
            first = self._clock.monotonic() + wait
            self._looks[change.id, eui64] = _Look([first + seconds for seconds in AFTER_S])
            self._wake.set()

    def returned(self, eui64: Eui64) -> None:
        """Schedule a read-back: the device came back and may show the data again, or the hub was away."""
        now = self._clock.monotonic()
        for change in self._records.done():
            known = self._records.of(change.id, eui64)
            if self._showed(change.id, eui64, known) and any(each.kind == "told" for each in known):
                look = self._looks.setdefault((change.id, eui64), _Look([]))
                look.due = sorted([now + RETURN_S, *(due for due in look.due if due > now + RETURN_S)])
                self._wake.set()

    def resume(self) -> None:
        """Schedule read-backs again after a start, for devices that were told before."""
        for change in self._records.done():
            for eui64 in self._records.devices(change.id):
                self.returned(eui64)

    async def run(self) -> None:
        """Read devices back when it is due, until cancelled. Raises LedgerError."""
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            for (change, eui64), look in list(self._looks.items()):
                if look.due and look.due[0] <= now:
                    look.due = [due for due in look.due if due > now]
                    await self._look(change, eui64)
                # While it was read, it may have come back, or have been told anew.
                if not look.due and self._looks.get((change, eui64)) is look:
                    del self._looks[change, eui64]
            pause = min((look.due[0] for look in self._looks.values()), default=None)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if pause is None else max(0.0, pause - self._clock.monotonic())):
                    await self._wake.wait()

    # --- looking

    async def _look(self, number: int, eui64: Eui64) -> None:
        change = self._ledger.changes.get(number)
        wanted = self._showed(number, eui64)
        if change is None or not wanted or change.takes_effect > self._clock.now():
            return
        try:
            shown = await self._shown(eui64, wanted)
        except HanctlError as error:
            log.info("a device was not read back", device=eui64, change=number, reason=str(error))
            return
        self._conclude(number, eui64, wanted, shown)

    def _conclude(
        self, number: int, eui64: Eui64, wanted: Iterable[AttributeKey], shown: dict[AttributeKey, Value]
    ) -> None:
        known = self._records.of(number, eui64)
        last = next((each for each in reversed(known) if each.kind in {"seen cleared", "still shows"}), None)
        digests = self._digests.get((number, eui64))
        if digests is not None:
            # A value that is another one now is not the last tenant's, but nor does it show that anything was cleared.
            old = {key: value for key, value in shown.items() if digests.get(key) == self._digest(value)}
        elif last is None or last.kind == "still shows":
            old = shown
        else:
            old = {}
        if old:
            self._note(known, number, eui64, "still shows", f"read back: {_keys(old)}")
        elif not shown:
            self._note(known, number, eui64, "seen cleared", _keys(wanted))

    def _note(self, known: list[Evidence], number: int, eui64: Eui64, kind: str, what: str) -> None:
        last = next((each for each in reversed(known) if each.kind in {"seen cleared", "still shows"}), None)
        if last is not None and (last.kind, last.what) == (kind, what):
            return
        if kind == "seen cleared":
            self._records.seen_cleared(number, eui64, what)
        else:
            self._records.still_shows(number, eui64, what, "secret")

    def _asked(self, change: Change, eui64: Eui64) -> list[AttributeKey]:
        """List attributes that the device may serve and that the change asks it to clear or hide."""
        device = self._ledger.devices.get(eui64)
        selection = dict(catalogue.cleared_by(told(change.kind, change.control)).attributes)
        if change.control & Control.BLOCK_HISTORICAL_LOAD_PROFILE:
            selection |= catalogue.history().attributes
        return [
            key
            for key in sorted(selection)
            if device is not None and endpoint_with(device.endpoints, key[0], client_side=False) is not None
        ]

    async def _shown(self, eui64: Eui64, wanted: Iterable[AttributeKey]) -> dict[AttributeKey, Value]:
        """Read the attributes, and return those that hold something."""
        shown: dict[AttributeKey, Value] = {}
        for cluster, keys in groupby(sorted(wanted), key=lambda key: key[0]):
            attributes = [attribute for _, attribute in keys]
            for start in range(0, len(attributes), AT_ONCE):
                some = attributes[start : start + AT_ONCE]
                values = await self._han.read_attributes(eui64, cluster=cluster, attributes=some)
                shown |= {(cluster, each): value for each, value in values.items() if _holds(cluster, each, value)}
        return shown

    def _showed(self, change: int, eui64: Eui64, known: list[Evidence] | None = None) -> list[AttributeKey]:
        """Return what the device showed before it was told; for most devices nothing."""
        for each in self._records.of(change, eui64) if known is None else known:
            if each.kind == "showed before":
                return [
                    (int(cluster, 16), int(attribute, 16))
                    for cluster, attribute in (word.split(":") for word in each.what.split())
                ]
        return []

    def _digest(self, value: Value) -> bytes:
        return hashlib.blake2b(repr(value).encode(), key=self._key, digest_size=16).digest()


def _holds(cluster: int, attribute: int, value: Value) -> bool:
    """Tell whether the value holds something: not absent, not 0, not the type's non-value."""
    if value in (None, 0, "", b""):
        return False
    if not isinstance(value, int):
        return True
    size = len(catalogue.ATTRIBUTES[cluster, attribute].neutral)
    return value not in {(1 << 8 * size) - 1, -1 << (8 * size - 1)}


def _keys(keys: Iterable[AttributeKey]) -> str:
    return " ".join(f"0x{cluster:04x}:0x{attribute:04x}" for cluster, attribute in sorted(keys))
