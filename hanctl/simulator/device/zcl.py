"""Handle ZCL frames of a simulated device: security, Default Responses, attributes, OTA client."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from functools import partial

from hanctl.simulator import zcl, zdo
from hanctl.simulator.device import attributes as device_attributes
from hanctl.simulator.device.display import Display
from hanctl.simulator.device.keys.cbke import CLUSTER as KEY_ESTABLISHMENT
from hanctl.simulator.device.keys.cbke import SUITES_ATTRIBUTE
from hanctl.simulator.device.keys.registration import Registration
from hanctl.simulator.device.ota.client import OtaClient
from hanctl.simulator.device.ota.types import DefaultResponse, Output
from hanctl.simulator.device.spec import BASIC, MESSAGING, OTA, POWER_CONFIGURATION, TIME, DeviceSpec
from hanctl.simulator.device.tenancy import TenancyRunner
from hanctl.simulator.device.tenancy_client import CLUSTERS as TENANCY_CLUSTERS
from hanctl.simulator.network.medium import ApsFrame
from hanctl.simulator.zcl import ZclFrame

LOGGER = logging.getLogger(__name__)

ENCRYPTED_CLUSTERS = frozenset({0x000A, 0x0015, OTA, 0x0025, 0x0600, *range(0x0700, 0x070C)})
"""Smart Energy clusters that are spoken under the link key. Source: comms_hub.md §6."""


class ZclAnswers:
    """The device's ZCL: ``answer`` sends an answer to a frame, ``drive`` does what the OTA client asked for.

    ``ignored`` counts frames that were not processed, by reason.
    """

    def __init__(
        self,
        spec: DeviceSpec,
        client: OtaClient,
        display: Display,
        ota_endpoint: zdo.Endpoint | None,
        answer: Callable[[ApsFrame, ZclFrame | None], None],
        drive: Callable[[list[Output]], None],
        registration: Registration,
        tenancy: TenancyRunner,
    ) -> None:
        self.ignored: Counter[str] = Counter()
        self._spec = spec
        self._client = client
        self._display = display
        self._ota_endpoint = ota_endpoint
        self._answer = answer
        self._drive = drive
        self._registration = registration
        self._tenancy = tenancy

    def receive(self, endpoint: zdo.Endpoint, frame: ApsFrame) -> None:
        """Handle a frame for this endpoint."""
        try:
            command = zcl.decode(frame.payload)
        except zcl.MalformedFrame as error:
            self.ignored["malformed"] += 1
            LOGGER.warning("%s: malformed ZCL frame: %s", self._spec.name, error)
            return
        is_default = not command.cluster_specific and command.command == zcl.DEFAULT_RESPONSE
        if self._in_clear(frame):
            self.ignored["in clear"] += 1
            if not is_default:
                self._answer(frame, command.default_response(zcl.FAILURE))
            return
        if frame.cluster in ENCRYPTED_CLUSTERS and not self._registration.ready:
            self.ignored["not keyed"] += 1
            if not is_default and not frame.broadcast:
                self._answer(frame, command.default_response(zcl.FAILURE))
            return
        clusters = endpoint.output_clusters if command.to_client else endpoint.input_clusters
        here = frame.cluster in clusters
        if is_default:
            self._receive_default_response(frame, command)
        elif not command.cluster_specific and command.command == zcl.READ_ATTRIBUTES_RESPONSE:
            if frame.cluster == KEY_ESTABLISHMENT:
                self._registration.attributes_read(command.payload)
            elif frame.cluster == TIME:
                self._tenancy.response(TIME, command)
        elif not command.cluster_specific:
            attributes = self._attributes(frame.cluster, to_client=command.to_client) if here else None
            self._answer(frame, zcl.answer_global(command, attributes))
        elif not here:
            self._answer(frame, command.default_response(zcl.UNSUPPORTED_CLUSTER))
        elif frame.cluster == KEY_ESTABLISHMENT:
            if not frame.broadcast:
                self._registration.receive(command, frame.source_endpoint)
        elif frame.cluster == OTA and command.to_client and endpoint is self._ota_endpoint:
            self._receive_ota(frame, command)
        elif frame.cluster == MESSAGING and command.to_client and self._display.battery is not None:
            self._display.receive(command, partial(self._answer, frame))
        elif frame.cluster in TENANCY_CLUSTERS and command.to_client:
            self._receive_tenancy(frame, command)
        else:
            self._answer(frame, command.default_response(zcl.UNSUP_COMMAND))

    def _in_clear(self, frame: ApsFrame) -> bool:
        """Tell whether the frame should have been under the link key and is not."""
        return (
            self._spec.encrypts and frame.cluster in ENCRYPTED_CLUSTERS and not frame.encrypted and not frame.broadcast
        )

    def _attributes(self, cluster: int, *, to_client: bool) -> zcl.Attributes:
        if cluster == BASIC and not to_client:
            return device_attributes.basic(self._spec, self._client.storage.running_version, self._display.battery)
        if cluster == POWER_CONFIGURATION and self._display.battery is not None:
            return self._display.battery.attributes()
        if cluster == OTA and to_client:
            return device_attributes.ota_client(self._spec, self._client)
        if cluster == KEY_ESTABLISHMENT:
            return {SUITES_ATTRIBUTE: zcl.Attribute(zcl.ENUM16, self._registration.suites)}
        return {} if to_client else self._tenancy.client.attributes(cluster)

    def _receive_default_response(self, frame: ApsFrame, command: ZclFrame) -> None:
        if frame.cluster == KEY_ESTABLISHMENT and len(command.payload) >= 2:
            self._registration.default_response(*command.payload[:2])
        if frame.cluster in TENANCY_CLUSTERS and command.to_client:
            self._tenancy.response(frame.cluster, command)
        if frame.cluster == OTA and command.to_client and len(command.payload) >= 2:
            about, status = command.payload[:2]
            self._drive(
                self._client.default_response(about, status, source=frame.source, now=asyncio.get_running_loop().time())
            )

    def _receive_ota(self, frame: ApsFrame, command: ZclFrame) -> None:
        outputs = self._client.receive(
            command.command,
            command.payload,
            source=frame.source,
            broadcast=frame.broadcast,
            now=asyncio.get_running_loop().time(),
        )
        status = next((o.status for o in outputs if isinstance(o, DefaultResponse)), zcl.SUCCESS)
        if status != zcl.SUCCESS or not command.no_default_response:
            self._answer(frame, command.default_response(status))
        self._drive(outputs)

    def _receive_tenancy(self, frame: ApsFrame, command: ZclFrame) -> None:
        status = self._tenancy.receive(frame.cluster, command, frame.source_endpoint)
        if status != zcl.SUCCESS or not command.no_default_response:
            self._answer(frame, command.default_response(status))
