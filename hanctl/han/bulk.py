"""Send something large to a device as many commands, which take turns with those to other devices."""

from __future__ import annotations

from collections.abc import Callable

from hanctl.base.eui64 import Eui64
from hanctl.han.exchange import Exchange
from hanctl.han.security import needs_encryption
from hanctl.han.zcl import ZclFrame
from hanctl.ledger.ledger import Ledger
from hanctl.radio.endpoints import ESI_ENDPOINT
from hanctl.radio.frames import SMART_ENERGY, Outcome, OutgoingFrame


class Bulk:
    """Interface of the HAN for bulk senders, beside ``Reply.bulk``."""

    def __init__(self, ledger: Ledger, exchange: Exchange) -> None:
        self._ledger = ledger
        self._exchange = exchange

    def post(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        command: int,
        payload: bytes,
        endpoint: int,
        tsn: int,
        number: int,
        outcome: Callable[[Outcome], None],
    ) -> None:
        """Send a command from server to client, without APS acknowledgement; ``outcome`` is told what became of it.

        ``number``: which one of the many it is. "dropped": the device, or the dongle, is not there.
        """
        device = self._ledger.devices.get(eui64)
        if device is None or device.nwk is None:
            outcome("dropped")
            return
        frame = ZclFrame(tsn, command, payload, cluster_specific=True, from_server=True, no_default_response=True)
        self._exchange.post(
            OutgoingFrame(
                destination_nwk=device.nwk,
                destination_endpoint=endpoint,
                source_endpoint=ESI_ENDPOINT,
                profile=SMART_ENERGY,
                cluster=cluster,
                payload=frame.serialize(),
                aps_encrypted=needs_encryption(cluster),
                aps_ack=False,
                sleepy=device.sleepy,
                bulk=number,
                outcome=outcome,
            )
        )

    def backlog(self) -> float:
        """Return how long a bulk frame waits for its turn on the air now, in seconds."""
        return self._exchange.backlog()

    def is_sleepy(self, eui64: Eui64) -> bool:
        """Tell whether the device sleeps, as far as known."""
        device = self._ledger.devices.get(eui64)
        return device is not None and device.sleepy
