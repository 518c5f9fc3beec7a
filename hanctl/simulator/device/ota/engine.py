"""The machinery under the OTA client's states: one timer, one list of outputs, and the image identity."""

from __future__ import annotations

import random
from collections.abc import Callable

from hanctl.base.eui64 import Eui64
from hanctl.simulator.device.ota import frames as ota
from hanctl.simulator.device.ota.frames import ImageId
from hanctl.simulator.device.ota.page import PageProgress
from hanctl.simulator.device.ota.types import (
    STATUS_WAIT_FOR_MORE,
    UPGRADE_STATUS,
    DefaultResponse,
    OtaCounts,
    OtaIdentity,
    OtaRequest,
    OtaState,
    Output,
)
from hanctl.simulator.device.spec import Behaviour, OtaTimings
from hanctl.simulator.device.storage import DeviceStorage


class OtaEngine:
    """The client's state, timer and outputs. ``deadline`` is when ``timer`` is to be called, None for never."""

    def __init__(
        self,
        identity: OtaIdentity,
        storage: DeviceStorage,
        rng: random.Random,
        behaviour: Behaviour,
        timings: OtaTimings,
    ) -> None:
        self.identity = identity
        self.storage = storage
        self.behaviour = behaviour
        self.timings = timings
        self.state = OtaState.OFF
        self.deadline: float | None = None
        self.server_nwk: int | None = None
        self.server_endpoint = 0
        self.server_eui64: Eui64 | None = None
        self.min_block_period = 0
        self.counts = OtaCounts()
        self.last_error = ""
        self.awaiting_answer = False
        """A request is out: a sleepy device polls fast meanwhile."""
        self._rng = rng
        self._errors = 0
        self._paging = behaviour.page_mode
        self._page: PageProgress | None = None
        self._told_to_wait = False
        self._action: Callable[[float], None] | None = None
        self._out: list[Output] = []

    @property
    def status(self) -> int:
        """ImageUpgradeStatus."""
        if self.state is OtaState.DOWNLOAD and self._told_to_wait:
            return STATUS_WAIT_FOR_MORE
        return UPGRADE_STATUS.get(self.state, 0)

    @property
    def in_progress(self) -> bool:
        return self.status != 0

    @property
    def _image(self) -> ImageId:
        assert self.storage.image is not None
        return self.storage.image

    @property
    def _running(self) -> ImageId:
        return ImageId(self.identity.manufacturer, self.identity.image_type, self.storage.running_version)

    @property
    def _hardware(self) -> int | None:
        return self.identity.hardware_version

    @property
    def _eui64(self) -> Eui64 | None:
        return self.identity.eui64 if self.behaviour.send_eui64 else None

    @property
    def _period_s(self) -> float:
        return self.min_block_period * {"none": 0.0, "ms": 0.001, "s": 1.0}[self.behaviour.min_block_period]

    def _enter(self, state: OtaState) -> None:
        self.state = state
        self.awaiting_answer = False
        self._errors = 0
        self._page = None
        self._told_to_wait = False

    def _forget_server(self) -> None:
        self.server_nwk = self.server_eui64 = None

    def _ask(self, command: int, payload: bytes) -> None:
        self._out.append(OtaRequest(command, payload))

    def _send_upgrade_end(self, status: int, image: ImageId) -> None:
        self.counts.ends += 1
        self._ask(ota.UPGRADE_END_REQUEST, ota.upgrade_end_request(status, image))

    def _refuse(self, status: int) -> None:
        self._out.append(DefaultResponse(status))

    def _await(self, now: float, seconds: float, action: Callable[[float], None]) -> None:
        self.awaiting_answer = True
        self._after(now, seconds, action)

    def _after(self, now: float, seconds: float, action: Callable[[float], None]) -> None:
        self.deadline, self._action = now + seconds, action

    def _take_outputs(self) -> list[Output]:
        out, self._out = self._out, []
        return out
