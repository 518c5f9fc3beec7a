"""A Z-Stack coordinator as a whole: answers each request in turn, and tells the host what the stack hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hanctl.base.eui64 import Eui64
from hanctl.simulator.dongle import Flash
from hanctl.simulator.network.medium import ApsFrame, Node
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.network.trust_centre import JoinKind, PartnerKeyOutcome
from hanctl.simulator.znp import af, app_cnf, sys_basic, sys_nv, util, zdo, zdo_local
from hanctl.simulator.znp.codec import SREQ, Unreadable, decode, encode, rpc_error
from hanctl.simulator.znp.firmware import ZnpFirmware
from hanctl.simulator.znp.mt import BadBytes, MtFrame, MtReader

# What hosts write to get a chip out of its serial bootloader: the application takes no notice.
_BOOTLOADER_BYTES = frozenset((0x07, 0x10, 0xEF))

_HANDLERS: dict[Any, Callable[[Any, Any], Any]] = {
    **sys_basic.HANDLERS,
    **sys_nv.HANDLERS,
    **util.HANDLERS,
    **zdo.HANDLERS,
    **zdo_local.HANDLERS,
    **af.HANDLERS,
    **app_cnf.HANDLERS,
}


class ZnpDongle(ZnpFirmware):
    """A TI dongle (CC2652 family, Z-Stack 3.30+): MT on the serial line, everything lasting in NVRAM."""

    def __init__(self, stack: Stack, flash: Flash) -> None:
        super().__init__(stack, flash)
        self._reader = MtReader()
        stack.listener = self

    # --- serial line

    def boot(self) -> None:
        self._reader.clear()
        super().boot()

    def line_opened(self) -> None:
        self._reader.clear()

    def line_closed(self) -> None:
        self._reader.clear()

    def data_received(self, data: bytes) -> None:
        if not self.running:
            return
        if self.line.any:
            data = self.line.spoil(data, self.stack.medium.rng)
        for item in self._reader.feed(data):
            if isinstance(item, BadBytes):
                if not _BOOTLOADER_BYTES.issuperset(item.data):
                    self.fault(item.reason, f"{len(item.data)} bytes, beginning {item.data[:5].hex(' ')}")
            elif self.running:
                self._take(item)

    def _take(self, frame: MtFrame) -> None:
        synchronous = frame.cmd0 >> 5 == SREQ
        try:
            request = decode(frame)
            handler = _HANDLERS.get(type(request))
            if handler is None:
                raise Unreadable(0x02, f"{type(request).__qualname__} is not simulated")
        except Unreadable as error:
            self.fault("command", str(error))
            if synchronous:
                self.send(rpc_error(frame, error.code))
            return
        reply = handler(self, request)
        if synchronous:
            self.send(reply if isinstance(reply, MtFrame) else encode(reply))

    # --- what the stack hears

    def incoming(self, frame: ApsFrame, node: Node | None) -> None:
        if frame.destination_endpoint == 0 and frame.profile == 0:
            zdo.incoming(self, frame)
        else:
            af.incoming(self, frame, node)

    def join_event(self, eui64: Eui64, nwk: int, kind: JoinKind, *, denied: bool) -> None:
        if not denied:
            zdo.join_event(self, eui64, nwk, kind)

    def partner_key_event(self, requester: Eui64, outcome: PartnerKeyOutcome) -> None:
        """Do nothing: Z-Stack does not report it."""
