"""The HAN: handle devices that come and go, answer their frames, and let services reach them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog
from zigpy.zdo.types import ZDOCmd

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError, NotFound
from hanctl.base.eui64 import Eui64
from hanctl.base.lately import Lately
from hanctl.han import zcl, zdo
from hanctl.han.arrivals import Arrivals
from hanctl.han.bulk import Bulk
from hanctl.han.cluster import ClusterServer
from hanctl.han.clusters.basic import BasicServer
from hanctl.han.clusters.keep_alive import KeepAliveServer
from hanctl.han.clusters.time import TimeServer
from hanctl.han.dispatcher import Dispatcher
from hanctl.han.errors import MalformedZcl, MalformedZdo
from hanctl.han.exchange import Exchange
from hanctl.han.identity.addresses import LOOK_GAP_S, is_device_address
from hanctl.han.identity.departures import Departures
from hanctl.han.identity.hearing import Hearing
from hanctl.han.interviews import Interviews
from hanctl.han.joining import JoinWindows
from hanctl.han.life import Life
from hanctl.han.link_keys import LinkKeys
from hanctl.han.refusals import Refusals
from hanctl.han.tasks import Tasks
from hanctl.han.zcl import Value, ZclFrame
from hanctl.ledger.errors import LedgerError
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import DeviceLeft, PartnerKeyGiven, PartnerKeyRefused
from hanctl.model.records import Device, DeviceType, EndpointRecord
from hanctl.radio.endpoints import ESI_ENDPOINT, HUB_ENDPOINTS
from hanctl.radio.frames import SMART_ENERGY, ZDO_PROFILE, IncomingFrame, NetworkState, Radio

log = structlog.get_logger()


class Han:
    """Implements RadioListener. Serves Basic, Time and Keep-Alive itself; other clusters are registered.

    ``on_life`` is called at every sign of life of a device, after its frame was dispatched; ``on_default_response``
    with (device, cluster, command, status, proof) when a device answers a command of ours with a Default Response
    nobody waits for; ``on_dongle_lost`` once, with the reason, after the radio was detached. None of them may block.

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
        self._hearing = Hearing(
            ledger, clock, self._exchange, self._tasks, self._dispatcher, self.may_serve, self._lives
        )
        self.on_default_response = self._hearing.on_default_response
        self._asking, self.addresses = self._hearing.asking, self._hearing.addresses
        self.addresses.on_moved = self._moved
        self.bulk = Bulk(ledger, self._exchange)
        self._joins = JoinWindows(ledger, self._exchange, self._tasks, self.addresses)
        self._joins.on_joined = self._joined
        self._interviews = Interviews(self, ledger, self._exchange, self._tasks)
        self.addresses.under_way.append(self._interviews.under_way)
        self.keys = LinkKeys(ledger, self._exchange, self._asking.reachable)
        self._arrivals = Arrivals(ledger, clock, self._exchange, self._tasks, self.addresses)
        self._departures = Departures(ledger, self._exchange, self._tasks, self.addresses, self._interviews.cancel)
        self._lived = Lately[tuple[Eui64, Life]](clock, LOOK_GAP_S)
        self.on_life: list[Callable[[Eui64, Life], None]] = []
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
        self._hearing.begin()
        registered = {(record.endpoint, cluster) for record in self.endpoints for cluster in record.input_clusters}
        for endpoint, cluster in sorted(registered ^ self._dispatcher.served()):
            log.warning("a cluster is announced but not served, or the reverse", endpoint=endpoint, cluster=cluster)

    def detach(self) -> None:
        """Detach the radio: all who wait for a device, or send from now on, get DongleGone."""
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

        Raises ValueError if it is taken.
        """
        self._dispatcher.register(server, both_sides=both_sides)

    def on_ledger_error(self, failed: Callable[[LedgerError], None]) -> None:
        """Call ``failed`` if the ledger fails in a task of the HAN; while a frame is handled the error is raised."""
        self._tasks.on_ledger_error = failed

    def may_serve(self, device: Device) -> bool:
        """Tell whether Smart Energy clusters are open to the device."""
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
        frame = ZclFrame(
            tsn=self._exchange.next_zcl_tsn() if tsn is None else tsn,
            command=command,
            payload=payload,
            cluster_specific=cluster_specific,
            from_server=from_server,
            no_default_response=not default_response,
        )
        device = self._ledger.devices.get(eui64)
        if default_response and device is not None and device.nwk is not None:
            await self._hearing.meet(device)
        await self._asking.send_command(
            eui64, cluster=cluster, endpoint=endpoint, source_endpoint=source_endpoint, frame=frame
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
        lenient: bool = False,
    ) -> dict[int, Value]:
        """Read attributes of the device's server side, or of its client side.

        None stands for an attribute the device does not have. ``timeout``: seconds, from the delivery on. What is read
        under a key is the device's own word; ``lenient``: what came from its address counts where it cannot show that.
        Raises NotFound, DeliveryFailed, NoKey, DongleGone, TimedOut, MalformedZcl.
        """
        return await self._asking.read_attributes(
            eui64,
            cluster=cluster,
            attributes=attributes,
            client_side=client_side,
            endpoint=endpoint,
            timeout_s=timeout,
            lenient=lenient,
        )

    async def interview(self, eui64: Eui64) -> Device:
        """Interview the device now, from the start; returns its new record.

        Raises NotFound, DeliveryFailed, NoKey, DongleGone, TimedOut, MalformedZdo, MalformedZcl.
        """
        self._asking.reachable(eui64)
        return await self._interviews.now(eui64)

    def forget_answers(self) -> None:
        """Forget the answers kept for repeated requests: the data behind them is gone."""
        self._dispatcher.forget()

    def missed(self, eui64: Eui64) -> None:
        """Search a device that did not acknowledge a frame, as it may have moved."""
        if self.network is not None:
            self._hearing.missed(eui64)

    def has_time(self, eui64: Eui64) -> bool:
        """Tell whether the device has read the hub's Time since it last came."""
        return self._hearing.has_time(eui64)

    # --- keys

    def key_established(self, eui64: Eui64) -> None:
        """Begin what waits for a device's key, which is now on record and in the dongle."""
        device = self._ledger.devices.get(eui64)
        if device is not None:
            self._hearing.keyed(device)
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
        # Whether there is a dongle at all is found out first; and a device may join before the opening is confirmed.
        await self.keys.remove(eui64)
        expected = self.addresses.release(
            device,
            "expected",
            device_type=device_type or device.device_type,
            keyed_at=None,
            removed_at=None,
            removed_reason=None,
        )
        try:
            await self._joins.open(eui64, link_key, seconds)
        except HanctlError:
            if self._ledger.devices.get(eui64) == expected:
                self._ledger.devices.put(
                    replace(before or expected, keyed_at=None, state=before.state if before else "removed")
                )
            raise

    def join_windows(self) -> Mapping[Eui64, float]:
        """Return the devices that may join now, and for how many seconds more."""
        return self._joins.remaining()

    async def remove(self, eui64: Eui64, reason: str = "asked for") -> None:
        """Ask the device to leave, and stop talking to it even if it does not hear.

        Raises NotFound. A device that cannot be reached is removed from the ledger all the same; where the dongle is
        gone, ``keys.forget_removed`` has to be called when it is back.
        """
        device = self._ledger.devices.get(eui64)
        if device is None or device.state == "removed":
            raise NotFound("this is not a device of this hub", "'hanctl device list' names the devices")
        self._joins.close(eui64, "cancelled")
        self._interviews.cancel(eui64)
        with self._ledger.transaction():
            self.addresses.release(device, "removed", removed_at=self._clock.now(), removed_reason=reason)
            if device.nwk is not None:
                self._ledger.record(DeviceLeft(device=eui64))
        if device.nwk is not None:
            await self._arrivals.tell_to_leave(eui64, device.nwk)
        await self.keys.forget(eui64)

    # --- RadioListener

    def frame_received(self, frame: IncomingFrame) -> None:
        if frame.profile == ZDO_PROFILE and frame.destination_endpoint == 0:
            self._zdo_received(frame)
        elif frame.profile == SMART_ENERGY and is_device_address(frame.source_nwk):
            device = self._ledger.devices.by_nwk(frame.source_nwk)
            if device is not None:
                self._zcl_received(frame, device)
            elif not self._hearing.answers_a_secret(frame):
                self._hearing.overheard(frame)
                self._arrivals.identify(frame, lambda device, held: self._zcl_received(held, device))
        else:
            self._hearing.overheard(frame)

    def device_joined(self, eui64: Eui64, nwk: int) -> None:
        self._joins.came(eui64)
        self._arrived(eui64, nwk, Life.JOINED)

    def address_conflict(self, nwk: int) -> None:
        self.addresses.conflict(nwk)

    def device_left(self, eui64: Eui64, nwk: int) -> None:
        self._departures.said(eui64, nwk)

    def partner_key_asked(self, eui64: Eui64, given: bool, detail: str) -> None:
        self._ledger.note(PartnerKeyGiven(device=eui64) if given else PartnerKeyRefused(device=eui64, reason=detail))

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
                asked = self._exchange.zdo_response(frame)
                if frame.cluster == ZDOCmd.NWK_addr_rsp and not asked:
                    self._arrived(*zdo.parse_addr_rsp(frame.payload), Life.ANNOUNCED)
                elif frame.cluster == ZDOCmd.IEEE_addr_rsp:
                    self.addresses.doubt(*zdo.parse_addr_rsp(frame.payload))
            elif frame.cluster == ZDOCmd.Device_annce:
                told = zdo.parse_device_annce(frame.payload)
                # A device announces itself, from the address that it announces.
                if told.nwk == frame.source_nwk:
                    self._arrived(told.eui64, told.nwk, Life.ANNOUNCED, sleepy=told.sleepy)
                else:
                    self.addresses.doubt(told.eui64, told.nwk)
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
            self._hearing.overheard(frame)
            return
        self._ledger.touch(device.eui64, self._clock.now())
        self._joins.spoke(device.eui64)
        self._hearing.received(frame, request, device)
        self._lives(device, Life.FRAME)

    def _arrived(self, eui64: Eui64, nwk: int, life: Life, *, sleepy: bool | None = None) -> None:
        if (eui64, life) in self._lived and self._is_at(eui64, nwk):
            return
        device = self._arrivals.arrived(eui64, nwk, life, sleepy=sleepy)
        if device is not None:
            self._lived.add((eui64, life))
            self._moved(device, life)

    def _is_at(self, eui64: Eui64, nwk: int) -> bool:
        device = self._ledger.devices.by_nwk(nwk)
        return device is not None and device.eui64 == eui64

    def _moved(self, device: Device, life: Life) -> None:
        """Handle a device that proved itself at a new address."""
        self._ledger.touch(device.eui64, self._clock.now())
        if life is not Life.FRAME:
            self._hearing.came(device.eui64)
            self._lives(device, life)
        if life is not Life.JOINED:
            # The trust centre's word comes before the device has the network key: the window closes when it speaks.
            self._joins.spoke(device.eui64)

    def _joined(self, eui64: Eui64, link_key: bytes) -> None:
        if not self.keys_required:
            self._tasks.start(self.keys.keep(eui64, link_key, self._hearing.keyed))

    def _lives(self, device: Device, life: Life) -> None:
        if self.may_serve(device):
            self._interviews.alive(device, life)
        self.tell_life(device.eui64, life)

    def tell_life(self, eui64: Eui64, life: Life) -> None:
        """Tell services of a sign of life."""
        device = self._ledger.devices.get(eui64)
        if life is Life.INTERVIEWED and device is not None:
            self._hearing.greet(device)
        for callback in tuple(self.on_life):
            try:
                callback(eui64, life)
            except Exception:
                log.exception("a service failed at a sign of life", device=eui64)
