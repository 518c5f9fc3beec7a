"""Send commands and reads to devices for services, and prove that the device itself answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from hanctl.base.errors import NotFound
from hanctl.base.eui64 import Eui64
from hanctl.han import zcl
from hanctl.han.errors import NoKey, TimedOut, Unproven
from hanctl.han.exchange import Exchange
from hanctl.han.identity.secret import Secret
from hanctl.han.interview import CURRENT_FILE_VERSION, endpoint_for
from hanctl.han.security import needs_encryption
from hanctl.han.zcl import Foundation, Value, ZclFrame
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Device
from hanctl.radio.endpoints import BASIC, ESI_ENDPOINT, KEY_ESTABLISHMENT, OTA_UPGRADE
from hanctl.radio.errors import DeliveryFailed
from hanctl.radio.frames import SMART_ENERGY, OutgoingFrame

log = structlog.get_logger()

CLUSTER_REVISION, ZCL_VERSION = 0xFFFD, 0x0000
CHALLENGE_S = 10.0


@dataclass(frozen=True, slots=True)
class _Place:
    """Endpoint, cluster and attribute that a device surely has."""

    endpoint: int
    cluster: int
    attribute: int
    client_side: bool


class Asking:
    """Send to devices and read from them.

    ``may_serve``: whether Smart Energy clusters are open to a device. ``proved`` is told of each device that answered
    a secret, ``missed`` of each that did not take a frame.
    """

    def __init__(
        self,
        ledger: Ledger,
        exchange: Exchange,
        may_serve: Callable[[Device], bool],
        proved: Callable[[Eui64], None],
        missed: Callable[[Eui64], None],
    ) -> None:
        self._ledger = ledger
        self._exchange = exchange
        self._may_serve = may_serve
        self._proved = proved
        self._missed = missed

    def reachable(self, eui64: Eui64, cluster: int | None = None) -> tuple[Device, int]:
        """Return a device that is on the network, and its address. Raises NotFound, DeliveryFailed, NoKey."""
        device = self._ledger.devices.get(eui64)
        if device is None or device.state in ("removed", "expected"):
            raise NotFound("this is not a device of this hub", "'hanctl device list' names the devices")
        if device.nwk is None:
            raise DeliveryFailed(f"{eui64} is not on the network", "it is found again at its next sign of life")
        if cluster is not None and needs_encryption(cluster) and not self._may_serve(device):
            raise NoKey(f"no key was established with {eui64} yet", "it asks for one when it is ready; see its events")
        return device, device.nwk

    async def send_command(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        endpoint: int | None,
        source_endpoint: int,
        frame: ZclFrame,
    ) -> None:
        """Send a command, unicast; see ``Han.send_command``."""
        device, nwk = self.reachable(eui64, cluster)
        try:
            await self._exchange.send(
                OutgoingFrame(
                    destination_nwk=nwk,
                    destination_endpoint=endpoint_for(device, cluster, endpoint, client_side=frame.from_server),
                    source_endpoint=source_endpoint,
                    profile=SMART_ENERGY,
                    cluster=cluster,
                    payload=frame.serialize(),
                    aps_encrypted=needs_encryption(cluster),
                    sleepy=device.sleepy,
                )
            )
        except DeliveryFailed:
            self._missed(eui64)
            raise

    async def read_attributes(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        attributes: Sequence[int],
        client_side: bool,
        endpoint: int | None,
        timeout_s: float,
        lenient: bool,
    ) -> dict[int, Value]:
        """Read attributes; see ``Han.read_attributes``.

        What is read under a key comes with a secret, so that nobody else's answer is taken for the device's.
        """
        device, nwk = self.reachable(eui64, cluster)
        # A device that lost its key is still asked about key establishment, which is spoken in clear.
        encrypted = needs_encryption(cluster) or (device.keyed_at is not None and cluster != KEY_ESTABLISHMENT)
        secret = Secret.draw() if encrypted else None
        try:
            response = await self._exchange.request_zcl(
                nwk=nwk,
                endpoint=endpoint_for(device, cluster, endpoint, client_side=client_side),
                source_endpoint=ESI_ENDPOINT,
                cluster=cluster,
                frame=_read([*attributes, *(secret.ids if secret is not None else ())], from_server=client_side),
                timeout_s=timeout_s,
                sleepy=device.sleepy,
                encrypted=encrypted,
                accepts=None if secret is None else secret.repeated_by,
            )
        except Unproven as error:
            if not lenient:
                raise
            # It tells what it is, and not who: a device that repeats no unknown ids is learnt from all the same.
            response = error.response
        except DeliveryFailed:
            self._missed(eui64)
            raise
        else:
            if secret is not None:
                self._proved(eui64)
        if response.command == Foundation.DEFAULT_RESPONSE:
            return dict.fromkeys(attributes)
        told = zcl.parse_read_attributes_response(response.payload)
        return {attribute: told.get(attribute) for attribute in attributes}

    async def challenge(self, device: Device, nwk: int, *, aps_ack: bool = False) -> bool:
        """Ask for a secret at an address. Returns True if the device itself answered from there.

        Without retries of the APS layer (``aps_ack`` False) where the address is in question: they would be encrypted
        to whoever the dongle has there by then. Raises DeliveryFailed, DongleGone.
        """
        place, secret = _place(device), Secret.draw()
        try:
            await self._exchange.request_zcl(
                nwk=nwk,
                endpoint=place.endpoint,
                source_endpoint=ESI_ENDPOINT,
                cluster=place.cluster,
                frame=_read([place.attribute, *secret.ids], from_server=place.client_side),
                timeout_s=CHALLENGE_S,
                sleepy=device.sleepy,
                encrypted=True,
                aps_ack=aps_ack,
                accepts=secret.repeated_by,
            )
        except TimedOut as error:
            log.debug("a device did not answer a secret", device=device.eui64, nwk=nwk, reason=str(error))
            return False
        self._proved(device.eui64)
        return True


def _read(attributes: Sequence[int], *, from_server: bool) -> ZclFrame:
    return ZclFrame(
        tsn=0,
        command=Foundation.READ_ATTRIBUTES,
        payload=zcl.read_attributes(attributes),
        from_server=from_server,
        no_default_response=True,
    )


def _place(device: Device) -> _Place:
    """Choose an attribute that the device surely has, if possible of a cluster under its link key."""
    ours = [each for each in device.endpoints if each.profile == SMART_ENERGY]
    for each in ours:
        if OTA_UPGRADE in each.output_clusters:
            return _Place(each.endpoint, OTA_UPGRADE, CURRENT_FILE_VERSION, client_side=True)
    for each in ours:
        for clusters, client_side in ((each.input_clusters, False), (each.output_clusters, True)):
            for cluster in clusters:
                if needs_encryption(cluster):
                    return _Place(each.endpoint, cluster, CLUSTER_REVISION, client_side)
    return _Place((ours or device.endpoints)[0].endpoint, BASIC, ZCL_VERSION, client_side=False)
