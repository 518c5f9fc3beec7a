"""The OTA client of a simulated device: a state machine over (input, now), without a radio or a clock of its own.

It follows the reference client state by state. Source: comms_hub.md §1.6, §1.7, §1.8.
"""

from __future__ import annotations

import struct
from math import ceil

from hanctl.base.eui64 import Eui64
from hanctl.simulator import zcl
from hanctl.simulator.device.ota import frames as ota
from hanctl.simulator.device.ota import image as ota_image
from hanctl.simulator.device.ota.download import OtaDownload
from hanctl.simulator.device.ota.types import Activate, AskServerEui, FindServer, OtaState, Output
from hanctl.simulator.device.storage import Phase

OUT_OF_BAND_ONLY = 1
"""UpgradeActivationPolicy of a client that no server activates. Source: comms_hub.md §1.4."""
ONLY_WHEN_ANSWERED = 1
"""UpgradeTimeoutPolicy of a client that never activates for want of answers. Source: comms_hub.md §1.4."""


class OtaClient(OtaDownload):
    """The client. Public methods take ``now`` (s) and return what to do.

    ``deadline``: when to call ``timer`` next (None: never).
    """

    # --- inputs

    def start(self, now: float) -> list[Output]:
        """Start with the discovery of a server, as the network is up."""
        self._forget_server()
        self.min_block_period = 0
        self._paging = self.behaviour.page_mode
        self._enter(OtaState.DELAY)
        self._after(now, self._rng.uniform(*self.timings.start_delay_s), self._discover)
        return self._take_outputs()

    def stop(self) -> None:
        """Stop, as there is no power or no network."""
        self._enter(OtaState.OFF)
        self.deadline = self._action = None

    def timer(self, now: float) -> list[Output]:
        """Do what is due at ``deadline``, which has come."""
        action, self._action, self.deadline = self._action, None, None
        if action is not None:
            action(now)
        return self._take_outputs()

    def server_found(self, nwk: int, endpoint: int, now: float) -> list[Output]:
        """Take the first node that answers Match_Desc_req as the server."""
        if self.state is OtaState.DISCOVER_SERVER and self.awaiting_answer:
            self.server_nwk, self.server_endpoint = nwk, endpoint
            self._enter(OtaState.GET_SERVER_EUI)
            self._out.append(AskServerEui(nwk))
            self._await(now, self.timings.discovery_timeout_s, self._discovery_failed)
        return self._take_outputs()

    def server_eui(self, nwk: int, eui64: Eui64, now: float) -> list[Output]:
        """Take the server's EUI64, with which it answered IEEE_addr_req."""
        if self.state is OtaState.GET_SERVER_EUI and nwk == self.server_nwk:
            self.server_eui64 = eui64
            self._resume(now)
        return self._take_outputs()

    def receive(self, command: int, payload: bytes, *, source: int, broadcast: bool, now: float) -> list[Output]:
        """Handle a command of the OTA cluster. Without a DefaultResponse in the outputs it was accepted or ignored."""
        handlers = {
            ota.QUERY_NEXT_IMAGE_RESPONSE: self._query_response,
            ota.IMAGE_BLOCK_RESPONSE: self._block_response,
            ota.UPGRADE_END_RESPONSE: self._end_response,
        }
        try:
            if command == ota.IMAGE_NOTIFY:
                self._notify(payload, broadcast, now)
            elif command not in handlers:
                self._refuse(zcl.UNSUP_COMMAND)
            elif source != self.server_nwk:
                self._refuse(zcl.NOT_AUTHORIZED)
            else:
                handlers[command](payload, now)
        except (struct.error, IndexError):
            self._refuse(zcl.MALFORMED_COMMAND)
        return self._take_outputs()

    def default_response(self, command: int, status: int, *, source: int, now: float) -> list[Output]:
        """Handle a Default Response of the server to a request."""
        if source != self.server_nwk or status == zcl.SUCCESS:
            return self._take_outputs()
        if command == ota.QUERY_NEXT_IMAGE_REQUEST and self.state is OtaState.QUERY_NEXT_IMAGE:
            self._idle(now)
        elif command in (ota.IMAGE_BLOCK_REQUEST, ota.IMAGE_PAGE_REQUEST) and self.state is OtaState.DOWNLOAD:
            self._block_refused(command, status, now)
        elif command == ota.UPGRADE_END_REQUEST and self.state is OtaState.WAITING_FOR_UPGRADE:
            self._abort(now, None, f"the server refused the upgrade with 0x{status:02x}")
        return self._take_outputs()

    def activate_out_of_band(self, now: float) -> list[Output]:
        """Activate by other means than the server, as when somebody presses a button on the device."""
        if self.state in (OtaState.OUT_OF_BAND, OtaState.WAITING_FOR_UPGRADE):
            self._enter(OtaState.COUNTDOWN)
            self._after(now, 0.0, self._activate)
        return self._take_outputs()

    def bootload_returned(self, now: float) -> list[Output]:
        """Erase the image, as the boot loader refused it."""
        self.last_error = "the boot loader returned"
        self.storage.erase()
        self._idle(now)
        return self._take_outputs()

    # --- DELAY, DISCOVER_SERVER, GET_SERVER_EUI

    def _discover(self, now: float) -> None:
        self._forget_server()
        self._enter(OtaState.DISCOVER_SERVER)
        self._out.append(FindServer())
        self._await(now, self.timings.discovery_timeout_s, self._discovery_failed)

    def _discovery_failed(self, now: float) -> None:
        self._enter(OtaState.DISCOVER_SERVER)
        self._after(now, self.timings.discovery_retry_s, self._discover)

    def _resume(self, now: float) -> None:
        """Go on where flash says: an image half here, one to be verified, or none."""
        storage = self.storage
        if storage.phase is Phase.PARTIAL:
            if self.behaviour.forgets_download:
                storage.begin(self._image, storage.image_size)
            self._download(now)
        elif storage.phase is Phase.COMPLETE and storage.image and storage.image.version != storage.running_version:
            self._verify(now)
        else:
            self._enter(OtaState.QUERY_NEXT_IMAGE)
            self._query(now)

    # --- QUERY_NEXT_IMAGE

    def _query(self, now: float) -> None:
        self.counts.queries += 1
        self._ask(ota.QUERY_NEXT_IMAGE_REQUEST, ota.query_next_image_request(self._running, self._hardware))
        self._await(now, self.timings.message_timeout_s, self._query_missed)

    def _query_missed(self, now: float) -> None:
        # The reference client counts a missed answer once in its timer and once in the query.
        self._errors += 2
        if self._errors >= self.timings.query_error_threshold:
            self._discovery_failed(now)
        else:
            self.counts.retries += 1
            self._query(now)

    def _idle(self, now: float) -> None:
        """Wait, with nothing to do, and ask again after the query period."""
        self._enter(OtaState.QUERY_NEXT_IMAGE)
        self._after(now, self.timings.query_period_s, self._query)

    def _query_response(self, payload: bytes, now: float) -> None:
        if self.state is not OtaState.QUERY_NEXT_IMAGE:
            return
        status = payload[0]
        if status != zcl.SUCCESS:
            self._idle(now)
            return
        if len(payload) < 13:
            self._refuse(zcl.MALFORMED_COMMAND)
            self._idle(now)
            return
        offered = ota.read_image_id(payload, 1)
        (size,) = struct.unpack_from("<I", payload, 9)
        named = (offered.manufacturer, offered.image_type)
        if named != (self.identity.manufacturer, self.identity.image_type) or size == 0:
            self._refuse(zcl.INVALID_FIELD)
            self._query_error(now)
        elif size > self.behaviour.max_image_size:
            self._refuse(zcl.INSUFFICIENT_SPACE)
            self._query_error(now)
        elif offered.version == self.storage.running_version:
            self._idle(now)
        elif offered.version < self.storage.running_version and not self.behaviour.allow_downgrade:
            self._send_upgrade_end(zcl.INVALID_IMAGE, offered)
            self._idle(now)
        else:
            self.storage.begin(offered, size)
            self.min_block_period = 0
            self._download(now)

    def _query_error(self, now: float) -> None:
        """Count an unusable answer as one error; the next query still comes after the query period."""
        self.awaiting_answer = False
        self._errors += 1
        if self._errors >= self.timings.query_error_threshold:
            self._discovery_failed(now)
        else:
            self._after(now, self.timings.query_period_s, self._query)

    def _abort(self, now: float, status: int | None, reason: str) -> None:
        """Give the image up; ``status`` is told to the server, None tells it nothing."""
        self.counts.aborts += 1
        self.last_error = reason
        if status is not None:
            self._send_upgrade_end(status, self._image)
        self.storage.erase()
        self._idle(now)

    # --- VERIFY_IMAGE

    def _verify(self, now: float) -> None:
        self._enter(OtaState.VERIFY_IMAGE)
        ticks = max(1, ceil(self.storage.image_size / self.timings.verify_bytes_per_tick))
        self._after(now, ticks * self.timings.verify_tick_s, self._verified)

    def _verified(self, now: float) -> None:
        try:
            if self.behaviour.reject_image:
                raise ota_image.BadImage("this device rejects every image")
            if self.behaviour.checks_image:
                self._look_at_image()
        except ota_image.BadImage as error:
            self._abort(now, zcl.INVALID_IMAGE, str(error))
            return
        self._enter(OtaState.WAITING_FOR_UPGRADE)
        self._request_upgrade_end(now)

    def _look_at_image(self) -> None:
        ota_image.verify(
            self.storage.slot(),
            expected=self._image,
            eui64=self.identity.eui64,
            hardware_version=self._hardware,
            body=self.behaviour.image_body,
        )

    # --- WAITING_FOR_UPGRADE, COUNTDOWN, OUT_OF_BAND

    def _request_upgrade_end(self, now: float) -> None:
        self._send_upgrade_end(zcl.SUCCESS, self._image)
        self._await(now, self.timings.message_timeout_s, self._end_missed)

    def _end_missed(self, now: float) -> None:
        # Counted over all polls: a good answer between them does not start the count again.
        self._errors += 1
        if self._errors < self.timings.end_error_threshold:
            self.counts.retries += 1
            self._request_upgrade_end(now)
        elif self.behaviour.timeout_policy == ONLY_WHEN_ANSWERED:
            self._abort(now, None, "the server does not answer, and the timeout policy forbids activating")
        elif self.behaviour.activation_policy == OUT_OF_BAND_ONLY:
            self._enter(OtaState.OUT_OF_BAND)
            self.deadline = self._action = None
        else:
            self.counts.applied_unasked += 1
            self._enter(OtaState.COUNTDOWN)
            self._activate(now)

    def _end_response(self, payload: bytes, now: float) -> None:
        if self.state not in (OtaState.WAITING_FOR_UPGRADE, OtaState.OUT_OF_BAND):
            self._refuse(zcl.FAILURE)
            return
        named = ota.read_image_id(payload)
        current, upgrade = struct.unpack_from("<II", payload, 8)
        if self.behaviour.ignores_hold and upgrade == ota.HOLD:
            upgrade = current
        if not self._image.matches(named):
            self._refuse(zcl.INVALID_VALUE)
            return
        self.awaiting_answer = False
        out_of_band = self.behaviour.activation_policy == OUT_OF_BAND_ONLY
        if out_of_band and upgrade == ota.HOLD:
            self._enter(OtaState.OUT_OF_BAND)
            self.deadline = self._action = None
        elif out_of_band or upgrade == ota.HOLD:
            if out_of_band:
                self._refuse(zcl.NOT_AUTHORIZED)
            if self.state is OtaState.WAITING_FOR_UPGRADE:
                self._after(now, self.timings.end_poll_s, self._request_upgrade_end)
        else:
            timings = self.timings
            delay = timings.bad_upgrade_wait_s if upgrade < current else min(upgrade - current, timings.max_wait_s)
            self._enter(OtaState.COUNTDOWN)
            self._after(now, max(timings.upgrade_grace_s, delay), self._activate)

    def _activate(self, _: float) -> None:
        self._out.append(Activate())

    # --- Image Notify

    def _notify(self, payload: bytes, broadcast: bool, now: float) -> None:
        if self.behaviour.ignore_notify:
            return
        if broadcast:
            if not self._concerned(payload):
                return
        else:
            payload[1]  # IndexError: too short, MALFORMED_COMMAND
        if self.state in (OtaState.DELAY, OtaState.DISCOVER_SERVER):
            self._discover(now)
        elif self.state is OtaState.QUERY_NEXT_IMAGE:
            self._enter(OtaState.QUERY_NEXT_IMAGE)
            self._query(now)
        elif not broadcast:
            self._refuse(zcl.FAILURE)

    def _concerned(self, payload: bytes) -> bool:
        """Tell whether a broadcast notification is for this device. The reference client knows no wildcards here."""
        notify = ota.read_notify(payload)
        if notify is None or not 1 <= notify.jitter <= 100:
            return False
        if notify.manufacturer not in (None, self.identity.manufacturer):
            return False
        if notify.image_type not in (None, self.identity.image_type):
            return False
        if notify.version == self.storage.running_version:
            return False
        return notify.jitter >= 100 or self._rng.randint(1, 100) <= notify.jitter
