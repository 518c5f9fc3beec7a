"""The HAN: devices come and go, their frames are answered, and services reach them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog
from zigpy.zdo.types import ZDOCmd

from hanctl.clock import Clock
from hanctl.errors import HanctlError, NotFound
from hanctl.eui64 import Eui64
from hanctl.han import zcl, zdo
from hanctl.han.arrivals import Arrivals
from hanctl.han.bulk import Bulk
from hanctl.han.cluster import ClusterServer
from hanctl.han.clusters.basic import BasicServer
from hanctl.han.clusters.keep_alive import KeepAliveServer
from hanctl.han.clusters.time import TimeServer
from hanctl.han.departures import Departures
from hanctl.han.dispatcher import Dispatcher
from hanctl.han.errors import MalformedZcl, MalformedZdo, NoKey
from hanctl.han.exchange import Exchange
from hanctl.han.interview import endpoint_for
from hanctl.han.interviews import Interviews
from hanctl.han.joining import JoinWindows
from hanctl.han.life import Life
from hanctl.han.link_keys import LinkKeys
from hanctl.han.refusals import Refusals
from hanctl.han.security import needs_encryption
from hanctl.han.tasks import Tasks
from hanctl.han.zcl import Foundation, Value, ZclFrame
from hanctl.ledger.events import DeviceLeft, PartnerKeyGiven, PartnerKeyRefused
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.records import Device, DeviceType, EndpointRecord
from hanctl.radio.endpoints import ESI_ENDPOINT, HUB_ENDPOINTS
from hanctl.radio.errors import DeliveryFailed
from hanctl.radio.frames import SMART_ENERGY, ZDO_PROFILE, IncomingFrame, NetworkState, OutgoingFrame, Radio

log = structlog.get_logger()

DefaultResponseCallback = Callable[[Eui64, int, int, int], None]


class Han:
    """Implements RadioListener. Serves Basic, Time and Keep-Alive itself; other clusters are registered.

    ``on_life`` is called at every sign of life of a device, after its frame was dispatched; ``on_default_response``
    with (device, cluster, command, status) when a device answers a command of ours with a Default Response nobody
    waits for; ``on_dongle_lost`` once, with the reason, after the radio was detached. None of them may block.

    ``keys_required``: Smart Energy clusters are spoken only with devices that have established a key, and a device is
    interviewed only then: its OTA attributes can be read no sooner, and its key must not change under an interview.
    """

    def __init__(self, ledger: Ledger, clock: Clock, endpoints: Sequence[EndpointRecord] = HUB_ENDPOINTS) -> None:
        self.endpoints = tuple(endpoints)
        self._ledger = ledger
        self._clock = clock
        self._tasks = Tasks()
        self._exchange = Exchange()
        self._refusals = Refusals(ledger, clock)
        self._dispatcher = Dispatcher(self._refusals.note)
        self.bulk = Bulk(ledger, self._exchange)
        self._joins = JoinWindows(ledger, self._exchange, self._tasks)
        self._interviews = Interviews(self, ledger, self._exchange, self._tasks)
        self.keys = LinkKeys(ledger, self._exchange, self._reachable)
        self._arrivals = Arrivals(ledger, clock, self._exchange, self._tasks)
        self._departures = Departures(ledger, self._exchange, self._tasks, self._interviews.cancel)
        self.on_life: list[Callable[[Eui64, Life], None]] = []
        self.on_default_response: list[DefaultResponseCallback] = []
        self.on_dongle_lost: list[Callable[[str], None]] = []
        self.network: NetworkState | None = None
        self.keys_required = False
        basic: list[ClusterServer] = [BasicServer(each.endpoint) for each in endpoints]
        for server in (*basic, TimeServer(clock), KeepAliveServer()):
            self.register(server)

    def attach(self, radio: Radio, network: NetworkState) -> None:
        """Use this radio, which was just started, from now on."""
        self.network = network
        self._exchange.attach(radio)
        registered = {(record.endpoint, cluster) for record in self.endpoints for cluster in record.input_clusters}
        for endpoint, cluster in sorted(registered ^ self._dispatcher.served()):
            log.warning("a cluster is announced but not served, or the reverse", endpoint=endpoint, cluster=cluster)

    def detach(self) -> None:
        """The radio is gone: whoever waits for a device gets DongleGone, and so does who sends from now on."""
        self.network = None
        self._exchange.detach()
        self._joins.close_all("dongle lost")

    async def stop(self) -> None:
        """Close the network, detach, and end everything that runs. Safe to call twice; before the radio is stopped."""
        await self._joins.shut()
        self.detach()
        await self._tasks.cancel()

    def register(self, server: ClusterServer, *, both_sides: bool = False) -> None:
        """Route a cluster of one of the hub's endpoints to this server; ``both_sides``: its client side's too.

        Raises ValueError where it is taken.
        """
        self._dispatcher.register(server, both_sides=both_sides)

    def may_serve(self, device: Device) -> bool:
        """Whether Smart Energy clusters are open to the device."""
        return device.keyed_at is not None or not self.keys_required

    # --- what services ask of devices

    async def send_command(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        command: int,
        payload: bytes,
        endpoint: int | None = None,
        source_endpoint: int = ESI_ENDPOINT,
        tsn: int | None = None,
        from_server: bool = True,
        default_response: bool = False,
        cluster_specific: bool = True,
    ) -> None:
        """Send a command, unicast; from server to client unless ``from_server`` is False.

        ``endpoint`` None means the device's endpoint that has the cluster on its side. ``default_response``: ask for
        one, which comes to ``on_default_response``. Returns when the device acknowledged the command. Raises NotFound
        (device or endpoint unknown), DeliveryFailed, NoKey, DongleGone.
        """
        device, nwk = self._reachable(eui64, cluster)
        frame = ZclFrame(
            tsn=self._exchange.next_zcl_tsn() if tsn is None else tsn,
            command=command,
            payload=payload,
            cluster_specific=cluster_specific,
            from_server=from_server,
            no_default_response=not default_response,
        )
        await self._exchange.send(
            OutgoingFrame(
                destination_nwk=nwk,
                destination_endpoint=endpoint_for(device, cluster, endpoint, client_side=from_server),
                source_endpoint=source_endpoint,
                profile=SMART_ENERGY,
                cluster=cluster,
                payload=frame.serialize(),
                aps_encrypted=needs_encryption(cluster),
                sleepy=device.sleepy,
            )
        )

    async def read_attributes(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        attributes: Sequence[int],
        client_side: bool = False,
        endpoint: int | None = None,
        timeout: float = 10,  # noqa: ASYNC109
    ) -> dict[int, Value]:
        """Read attributes of the device's server side, or of its client side.

        None stands for an attribute the device does not have. ``timeout``: seconds, from the delivery on. Raises
        NotFound, DeliveryFailed, NoKey, DongleGone, TimedOut, MalformedZcl.
        """
        device, nwk = self._reachable(eui64, cluster)
        response = await self._exchange.request_zcl(
            nwk=nwk,
            endpoint=endpoint_for(device, cluster, endpoint, client_side=client_side),
            source_endpoint=ESI_ENDPOINT,
            cluster=cluster,
            frame=ZclFrame(
                tsn=0,
                command=Foundation.READ_ATTRIBUTES,
                payload=zcl.read_attributes(attributes),
                from_server=client_side,
                no_default_response=True,
            ),
            timeout_s=timeout,
            sleepy=device.sleepy,
        )
        if response.command == Foundation.DEFAULT_RESPONSE:
            return dict.fromkeys(attributes)
        return dict.fromkeys(attributes) | zcl.parse_read_attributes_response(response.payload)

    async def interview(self, eui64: Eui64) -> Device:
        """Interview the device now, from the start; returns its new record.

        Raises NotFound, DeliveryFailed, NoKey, DongleGone, TimedOut, MalformedZdo, MalformedZcl.
        """
        self._reachable(eui64)
        return await self._interviews.now(eui64)

    def forget_answers(self) -> None:
        """Give no device the answer again that it already had: the data behind it is gone."""
        self._dispatcher.forget()

    # --- keys

    def key_established(self, eui64: Eui64) -> None:
        """The device is keyed now, on record and in the dongle: what waited for that begins."""
        device = self._ledger.devices.get(eui64)
        if device is not None:
            # What it was answered before, it was answered as a device without a key.
            self._dispatcher.forget(eui64)
            self._lives(device, Life.KEYED)

    # --- membership

    async def expect(self, eui64: Eui64, link_key: bytes, seconds: int, device_type: DeviceType | None = None) -> None:
        """Open the network to this one device, for ``seconds``; returns once it is open.

        ``device_type`` wins over what the interview finds. The link key goes to the dongle and is not kept; a key that
        was established with the device before is forgotten. Raises DeliveryFailed, DongleGone; the device is then on
        record as it was before, but for a key that the dongle has forgotten already.
        """
        before = self._ledger.devices.get(eui64)
        device = before or Device(eui64=eui64, added_at=self._clock.now())
        expected = replace(
            device,
            state="expected",
            nwk=None,
            device_type=device_type or device.device_type,
            keyed_at=None,
            removed_at=None,
            removed_reason=None,
        )
        # Whether there is a dongle at all is found out first; and a device may join before the opening is confirmed.
        await self.keys.remove(eui64)
        self._ledger.devices.put(expected)
        try:
            await self._joins.open(eui64, link_key, seconds)
        except HanctlError:
            if self._ledger.devices.get(eui64) == expected:
                self._ledger.devices.put(
                    replace(before or expected, keyed_at=None, state=before.state if before else "removed")
                )
            raise

    def join_windows(self) -> Mapping[Eui64, float]:
        """The devices that may join now, and for how many seconds more."""
        return self._joins.remaining()

    def cancel_join(self, eui64: Eui64) -> None:
        """Close this device's join window, where it has one."""
        self._joins.close(eui64, "cancelled")

    async def remove(self, eui64: Eui64, reason: str = "asked for") -> None:
        """Ask the device to leave, and talk to it no more, also where it does not hear.

        Raises NotFound. A device that cannot be reached is removed from the ledger all the same; where the dongle is
        gone, ``keys.forget_removed`` has to be called when it is back.
        """
        device = self._ledger.devices.get(eui64)
        if device is None or device.state == "removed":
            raise NotFound(f"{eui64} is not a device of this hub", "'hanctl device list' names the devices")
        self._joins.close(eui64, "cancelled")
        self._interviews.cancel(eui64)
        with self._ledger.transaction():
            self._ledger.devices.put(
                replace(device, state="removed", nwk=None, removed_at=self._clock.now(), removed_reason=reason)
            )
            if device.nwk is not None:
                self._ledger.record(DeviceLeft(device=eui64))
        if device.nwk is not None:
            await self._arrivals.tell_to_leave(eui64, device.nwk)
        await self.keys.forget(eui64)

    # --- RadioListener

    def frame_received(self, frame: IncomingFrame) -> None:
        if frame.profile == ZDO_PROFILE and frame.destination_endpoint == 0:
            self._zdo_received(frame)
        elif frame.profile == SMART_ENERGY:
            device = self._ledger.devices.by_nwk(frame.source_nwk)
            if device is None:
                self._arrivals.identify(frame, self._identified)
            else:
                self._zcl_received(frame, device)

    def device_joined(self, eui64: Eui64, nwk: int) -> None:
        self._arrived(eui64, nwk, Life.JOINED)

    def device_left(self, eui64: Eui64, nwk: int) -> None:
        self._departures.said(eui64, nwk)

    def partner_key_asked(self, eui64: Eui64, given: bool, detail: str) -> None:
        self._ledger.record(PartnerKeyGiven(device=eui64) if given else PartnerKeyRefused(device=eui64, reason=detail))

    def join_denied(self, eui64: Eui64, how: str) -> None:
        self._arrivals.denied(eui64, how, expected=eui64 in self._joins.remaining())

    def dongle_lost(self, reason: str) -> None:
        self.detach()
        for callback in tuple(self.on_dongle_lost):
            callback(reason)

    # --- inside

    def _zdo_received(self, frame: IncomingFrame) -> None:
        if not frame.payload:
            return
        try:
            if frame.cluster & zdo.RESPONSE:
                self._exchange.zdo_response(frame)
            elif frame.cluster == ZDOCmd.Device_annce:
                told = zdo.parse_device_annce(frame.payload)
                self._arrived(told.eui64, told.nwk, Life.ANNOUNCED, sleepy=told.sleepy)
            elif frame.cluster == ZDOCmd.Match_Desc_req:
                self._match_desc(frame)
        except MalformedZdo as error:
            log.warning("malformed ZDO frame", source_nwk=frame.source_nwk, reason=str(error))

    def _match_desc(self, frame: IncomingFrame) -> None:
        answer = zdo.match_desc_answer(frame, self.endpoints)
        if answer is not None:
            self._exchange.post(answer)

    def _zcl_received(self, frame: IncomingFrame, device: Device) -> None:
        try:
            request = zcl.parse_frame(frame.payload)
        except MalformedZcl as error:
            log.warning("malformed ZCL frame", device=device.eui64, reason=str(error))
            return
        self._ledger.touch(device.eui64, self._clock.now())
        self._joins.close(device.eui64, "joined")
        if not request.cluster_specific and request.command in zcl.RESPONSES:
            self._response(frame, request, device.eui64)
        else:
            answers = self._dispatcher.handle(
                frame, request, device.eui64, self._clock.monotonic(), keyed=self.may_serve(device)
            )
            if device.sleepy:
                answers = tuple(replace(answer, sleepy=True) for answer in answers)
            self._exchange.answer(answers, self._tasks)
        self._lives(device, Life.SECURED if frame.aps_encrypted else Life.FRAME)

    def _response(self, frame: IncomingFrame, response: ZclFrame, eui64: Eui64) -> None:
        # A Default Response may come in clear: that is how a device says that it wants to be spoken to in cipher.
        in_clear = needs_encryption(frame.cluster) and not frame.aps_encrypted
        if in_clear and response.command != Foundation.DEFAULT_RESPONSE:
            log.warning("a response in clear was not believed", device=eui64, cluster=frame.cluster)
            return
        if self._exchange.zcl_response(frame, response) or response.command != Foundation.DEFAULT_RESPONSE:
            return
        try:
            command, status = zcl.parse_default_response(response.payload)
        except MalformedZcl as error:
            log.warning("malformed Default Response", device=eui64, reason=str(error))
            return
        for callback in tuple(self.on_default_response):
            callback(eui64, frame.cluster, command, status)

    def _identified(self, eui64: Eui64, frame: IncomingFrame) -> None:
        device = self._arrived(eui64, frame.source_nwk, Life.FRAME)
        if device is not None:
            self._zcl_received(frame, device)

    def _arrived(self, eui64: Eui64, nwk: int, life: Life, *, sleepy: bool | None = None) -> Device | None:
        device = self._arrivals.arrived(eui64, nwk, sleepy=sleepy)
        if device is None:
            return None
        self._ledger.touch(eui64, self._clock.now())
        if life is not Life.FRAME:
            self._dispatcher.forget(eui64)
            self._lives(device, life)
        if life is not Life.JOINED:
            # The trust centre's word comes before the device has the network key: the window closes when it speaks.
            self._joins.close(eui64, "joined")
        return device

    def _lives(self, device: Device, life: Life) -> None:
        if self.may_serve(device):
            self._interviews.alive(device, life)
        self.tell_life(device.eui64, life)

    def tell_life(self, eui64: Eui64, life: Life) -> None:
        """Tell the services of a sign of life."""
        for callback in tuple(self.on_life):
            try:
                callback(eui64, life)
            except Exception:
                log.exception("a service failed at a sign of life", device=eui64)

    def _reachable(self, eui64: Eui64, cluster: int | None = None) -> tuple[Device, int]:
        device = self._ledger.devices.get(eui64)
        if device is None or device.state in ("removed", "expected"):
            raise NotFound(f"{eui64} is not a device of this hub", "'hanctl device list' names the devices")
        if device.nwk is None:
            raise DeliveryFailed(f"{eui64} is not on the network", "it is found again at its next sign of life")
        if cluster is not None and needs_encryption(cluster) and not self.may_serve(device):
            raise NoKey(f"no key was established with {eui64} yet", "it asks for one when it is ready; see its events")
        return device, device.nwk
