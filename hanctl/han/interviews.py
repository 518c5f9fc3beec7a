"""Start interviews: after a device came, and again at a sign of life if that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from hanctl.base.errors import HanctlError, NotFound
from hanctl.base.eui64 import Eui64
from hanctl.han.exchange import Exchange
from hanctl.han.interview import STEP_TIMEOUT_S, Findings, Interview
from hanctl.han.life import Life
from hanctl.han.tasks import Tasks
from hanctl.han.zcl import Value
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import DeviceInterviewed, DeviceInterviewFailed, DeviceVersionRead
from hanctl.model.records import Device
from hanctl.radio.errors import DongleGone

JOIN_PAUSE_S = 5.0
"""The trust centre's word of a join comes before the device can be talked to; its own word comes sooner mostly."""
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
"""Between a failed interview and the next: doubling from the first to the longest."""


class InterviewReader(Protocol):
    """Part of Han that an interview uses."""

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
    ) -> dict[int, Value]: ...

    def tell_life(self, eui64: Eui64, life: Life) -> None: ...


class _Asker:
    def __init__(self, reader: InterviewReader, ledger: Ledger, exchange: Exchange, eui64: Eui64) -> None:
        self._reader = reader
        self._ledger = ledger
        self._exchange = exchange
        self._eui64 = eui64

    async def zdo(self, cluster: int, build: Callable[[int], bytes], *, sleepy: bool) -> bytes:
        _, nwk = _on_network(self._ledger, self._eui64)
        return await self._exchange.request_zdo(
            nwk=nwk, cluster=cluster, build=build, timeout_s=STEP_TIMEOUT_S, sleepy=sleepy
        )

    async def read(
        self, endpoint: int, cluster: int, attributes: Sequence[int], *, client_side: bool, sleepy: bool
    ) -> dict[int, Value]:
        return await self._reader.read_attributes(
            self._eui64,
            cluster=cluster,
            attributes=attributes,
            client_side=client_side,
            endpoint=endpoint,
            timeout=STEP_TIMEOUT_S,
            lenient=True,
        )


class Interviews:
    """At most one interview of a device at a time."""

    def __init__(self, reader: InterviewReader, ledger: Ledger, exchange: Exchange, tasks: Tasks) -> None:
        self._reader = reader
        self._ledger = ledger
        self._exchange = exchange
        self._tasks = tasks
        self._unfinished: dict[Eui64, Interview] = {}
        self._running: dict[Eui64, asyncio.Task[None]] = {}
        self._pauses: dict[Eui64, float] = {}
        self._not_before: dict[Eui64, float] = {}
        self._pausing: set[Eui64] = set()

    def alive(self, device: Device, life: Life) -> None:
        """Start an interview if this device still needs one."""
        eui64 = device.eui64
        if device.state != "joined":
            return
        if eui64 in self._running:
            if life is Life.JOINED or eui64 not in self._pausing:
                return
            self._running[eui64].cancel()
        elif life in (Life.FRAME, Life.SECURED) and asyncio.get_running_loop().time() < self._not_before.get(
            eui64, 0.0
        ):
            return
        self._running[eui64] = self._tasks.start(self._in_background(eui64, after_join=life is Life.JOINED))

    def under_way(self, eui64: Eui64) -> bool:
        """Tell whether the device is being asked."""
        return eui64 in self._running and eui64 not in self._pausing

    def cancel(self, eui64: Eui64) -> None:
        """Forget this device's interview."""
        running = self._running.pop(eui64, None)
        if running is not None:
            running.cancel()
        for table in (self._unfinished, self._pauses, self._not_before):
            table.pop(eui64, None)

    async def now(self, eui64: Eui64) -> Device:
        """Interview from the start. Raises what Interview.run raises, and NotFound."""
        self.cancel(eui64)
        return await self._run(eui64)

    async def _in_background(self, eui64: Eui64, *, after_join: bool) -> None:
        if after_join:
            self._pausing.add(eui64)
            try:
                await asyncio.sleep(JOIN_PAUSE_S)
            finally:
                self._pausing.discard(eui64)
        try:
            await self._run(eui64)
        except (DongleGone, NotFound):
            # Neither is the device's fault; its next sign of life starts again.
            pass
        except HanctlError as error:
            self._failed(eui64, str(error))
        finally:
            if self._running.get(eui64) is asyncio.current_task():
                del self._running[eui64]

    def _failed(self, eui64: Eui64, reason: str) -> None:
        pause = self._pauses.get(eui64)
        if pause is None:
            self._ledger.record(DeviceInterviewFailed(device=eui64, reason=reason))
        pause = FIRST_PAUSE_S if pause is None else min(2 * pause, LONGEST_PAUSE_S)
        self._pauses[eui64] = pause
        self._not_before[eui64] = asyncio.get_running_loop().time() + pause

    async def _run(self, eui64: Eui64) -> Device:
        interview = self._unfinished.get(eui64)
        if interview is None:
            interview = Interview(_Asker(self._reader, self._ledger, self._exchange, eui64))
            self._unfinished[eui64] = interview
        device, nwk = _on_network(self._ledger, eui64)
        findings = await interview.run(nwk, sleepy=device.sleepy)
        self._unfinished.pop(eui64, None)
        self._pauses.pop(eui64, None)
        self._not_before.pop(eui64, None)
        return self._store(eui64, findings)

    def _store(self, eui64: Eui64, findings: Findings) -> Device:
        before, _ = _on_network(self._ledger, eui64)
        device = findings.applied_to(before)
        with self._ledger.transaction():
            self._ledger.devices.put(device)
            self._ledger.record(
                DeviceInterviewed(
                    device=eui64,
                    device_type=device.device_type,
                    manufacturer_code=device.manufacturer_code,
                    manufacturer_name=device.manufacturer_name,
                    model=device.model,
                    power_source=device.power_source,
                    sleepy=device.sleepy,
                )
            )
            if device.current_version is not None and device.current_version != before.current_version:
                self._ledger.record(
                    DeviceVersionRead(
                        device=eui64, old_version=before.current_version, new_version=device.current_version
                    )
                )
        self._reader.tell_life(eui64, Life.INTERVIEWED)
        return device


def _on_network(ledger: Ledger, eui64: Eui64) -> tuple[Device, int]:
    device = ledger.devices.get(eui64)
    if device is None or device.nwk is None:
        raise NotFound(f"{eui64} is not on the network", "it is found again at its next sign of life")
    return device, device.nwk
