"""Open the dongle and keep it open: when it is lost, open it again, for as long as that takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from hanctl.base.errors import DongleError
from hanctl.base.eui64 import Eui64
from hanctl.han.han import Han
from hanctl.ledger.errors import LedgerError, LedgerFull
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import DongleLost, DongleOpened, DongleReopening, NetworkFormed, NetworkResumed
from hanctl.radio.errors import PortAbsent
from hanctl.radio.finding.port import Port
from hanctl.radio.frames import IncomingFrame, NetworkState, Radio

DELAYS_S = (0.5, 1.0, 2.0, 3.0, 5.0)
ABSENT_S = 1.0
"""To look for a port that is not there costs nothing, and a stick that is replugged is wanted at once."""
TOLD_AGAIN_S = 600.0
"""Of attempts that fail alike, after the first few, one in such a time is told."""


class Supervisor:
    """Own the present radio object. Between two openings ``network`` is None and the HAN is detached."""

    def __init__(
        self, ledger: Ledger, han: Han, port: Port, new_radio: Callable[[str], Radio], opened: Callable[[], None]
    ) -> None:
        self._ledger = ledger
        self._han = han
        self._port = port
        self._new_radio = new_radio
        self._opened = opened
        self._radio: Radio | None = None
        self._lost = asyncio.Event()
        self._failure: LedgerError | None = None
        self.network: NetworkState | None = None
        han.on_ledger_error(self._failed)
        ledger.on_damage = self._failed

    async def open(self) -> NetworkState:
        """Open the dongle. Nothing is recorded: ``announce`` does that. Raises DongleError."""
        self._lost.clear()
        radio = self._new_radio(self._port.current())
        try:
            self.network = await radio.start(_Relay(self._han, self._line_lost, self._failed))
        except BaseException:
            await radio.stop()
            raise
        self._radio = radio
        self._port.opened()
        self._han.attach(radio, self.network)
        return self.network

    def announce(self, network: NetworkState) -> None:
        """Record that the dongle is open, and resume all work."""
        place = {"channel": network.channel, "pan_id": network.pan_id, "extended_pan_id": network.extended_pan_id}
        opened = DongleOpened(
            path=self._port.current(), radio=network.radio, dongle_eui64=network.dongle_eui64, firmware=network.firmware
        )
        kind = NetworkFormed if network.formed else NetworkResumed
        with suppress(LedgerFull), self._ledger.transaction():
            self._ledger.record(opened)
            self._ledger.record(kind.model_validate(place))
        self._opened()

    async def run(self) -> None:
        """Watch the open dongle until cancelled. Raises LedgerError: a hub that cannot write must stop.

        A full disk is not the end: without an answer, devices that hold would activate (comms_hub.md §0, trap 4).
        """
        while True:
            await self._lost.wait()
            if self._failure is not None:
                raise self._failure
            await self.close()
            self.announce(await self._reopen())

    async def close(self) -> None:
        """Detach the HAN and close the serial line. Safe to call at any time."""
        self.network = None
        radio, self._radio = self._radio, None
        if radio is not None:
            self._han.detach()
            await radio.stop()

    async def _reopen(self) -> NetworkState:
        loop = asyncio.get_running_loop()
        attempt, told, told_at, delay = 0, "", 0.0, DELAYS_S[0]
        while True:
            await asyncio.sleep(delay)
            attempt += 1
            try:
                return await self.open()
            except DongleError as error:
                delay = ABSENT_S if isinstance(error, PortAbsent) else DELAYS_S[min(attempt, len(DELAYS_S) - 1)]
                if attempt <= len(DELAYS_S) or str(error) != told or loop.time() - told_at >= TOLD_AGAIN_S:
                    told, told_at = str(error), loop.time()
                    with suppress(LedgerFull):
                        self._ledger.record(DongleReopening(attempt=attempt, delay_s=delay, reason=told))

    def _line_lost(self, reason: str) -> None:
        self.network = None
        self._lost.set()
        with suppress(LedgerFull):
            self._ledger.record(DongleLost(reason=reason))

    def _failed(self, error: LedgerError) -> None:
        self._failure = self._failure or error
        self._lost.set()


class _Relay:
    """Pass on one radio object's callbacks to the HAN, and the loss of its line to the supervisor too.

    Above it is a radio library, which would log what is raised and go on: a ledger that fails is told here instead. One
    that is full for now is not: the ledger says so itself, and what came with the frame comes again.
    """

    def __init__(self, han: Han, lost: Callable[[str], None], failed: Callable[[LedgerError], None]) -> None:
        self._han = han
        self._lost = lost
        self._failed = failed

    def frame_received(self, frame: IncomingFrame) -> None:
        with self._told():
            self._han.frame_received(frame)

    def device_joined(self, eui64: Eui64, nwk: int) -> None:
        with self._told():
            self._han.device_joined(eui64, nwk)

    def device_left(self, eui64: Eui64, nwk: int) -> None:
        with self._told():
            self._han.device_left(eui64, nwk)

    def address_conflict(self, nwk: int) -> None:
        with self._told():
            self._han.address_conflict(nwk)

    def partner_key_asked(self, eui64: Eui64, given: bool, detail: str) -> None:
        self._han.partner_key_asked(eui64, given, detail)

    def join_denied(self, eui64: Eui64, how: str) -> None:
        self._han.join_denied(eui64, how)

    def dongle_lost(self, reason: str) -> None:
        with self._told():
            self._lost(reason)
            self._han.dongle_lost(reason)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except LedgerFull:
            pass
        except LedgerError as error:
            self._failed(error)
