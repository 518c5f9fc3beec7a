"""Key establishment over the HAN: the engine's messages as frames, its jobs on threads, its keys in the dongle.

The hub answers devices that ask for a key (cluster 0x0800, server). Its client side hears answers and Terminates too.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from zigpy.zcl.foundation import DataTypeId

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError, NotFound
from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import DefaultReply, LaterReply, Proof, Request, ServedAttribute, Status
from hanctl.han.han import Han
from hanctl.han.tasks import Tasks
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import KeyEstablished, KeyFailed
from hanctl.radio.endpoints import ESI_ENDPOINT, KEY_ESTABLISHMENT
from hanctl.radio.errors import DeliveryFailed, DongleGone
from hanctl.trust.credentials import Credentials
from hanctl.trust.establishment.exchange import Established, Failed, Output, RunJob, Send, Settings, Stage
from hanctl.trust.establishment.key_establishment import KeyEstablishmentEngine
from hanctl.trust.establishment.messages import SUITE_ATTRIBUTE, EstablishmentCommand, TerminateStatus
from hanctl.trust.jobs import Below, Refusal

log = structlog.get_logger()

INSTALL_RETRIES_S = (0.5, 2.0, 5.0)
COMMANDS = frozenset(EstablishmentCommand)
STATUS_NAMES = {status.value: status.name for status in TerminateStatus}
FAILURES_TOLD = 5
FAILURES_PERIOD_S = 600.0
"""Of one device's failures, so many become events in so long; the others are logged."""


class KeyEstablishmentServer:
    """Implements ClusterServer. Without credentials it serves the cluster too, and refuses every suite.

    All of this cluster is in clear: whatever is said here in a device's name, its key stays in force until another is
    established, which only the holder of its certificate's private key can do.

    ``on_keyed`` is called with each device whose key is in the dongle now; ``on_lost`` with each device that has a key
    which the dongle does not have, and the reason: there is no talking to it any more.
    """

    cluster = KEY_ESTABLISHMENT
    endpoint = ESI_ENDPOINT

    def __init__(
        self,
        ledger: Ledger,
        han: Han,
        clock: Clock,
        credentials: Iterable[Credentials],
        *,
        settings: Settings | None = None,
        below: Below = secrets.randbelow,
    ) -> None:
        self._ledger = ledger
        self._han = han
        self._clock = clock
        self._engine = KeyEstablishmentEngine(credentials, settings=settings, admission=self._admit, below=below)
        self._tasks = Tasks()
        self._timer: asyncio.TimerHandle | None = None
        self._endpoints: dict[Eui64, int] = {}
        self._installing: dict[Eui64, asyncio.Task[None]] = {}
        self._uninstalled: dict[Eui64, Established] = {}
        self._progress: dict[Eui64, str] = {}
        self._told: dict[Eui64, deque[float]] = {}
        self.on_keyed: list[Callable[[Eui64], None]] = []
        self.on_lost: list[Callable[[Eui64, str], None]] = []
        han.register(self, both_sides=True)
        han.on_default_response.append(self._default_response)

    @property
    def suites(self) -> int:
        """The bits of the suites that can be used."""
        return self._engine.suites

    # --- ClusterServer

    def attributes(self) -> Mapping[int, ServedAttribute]:
        return {SUITE_ATTRIBUTE: ServedAttribute(DataTypeId.enum16, self.suites.to_bytes(2, "little"))}

    def handle(self, request: Request) -> DefaultReply | LaterReply:
        if request.broadcast:
            return LaterReply()
        if request.command not in COMMANDS:
            return DefaultReply(Status.UNSUP_COMMAND)
        if self._engine.stage(request.device) in (Stage.NONE, Stage.ESTABLISHED):
            self._endpoints[request.device] = request.source_endpoint
        elif self._endpoints.setdefault(request.device, request.source_endpoint) != request.source_endpoint:
            # An exchange is between two endpoints: what comes from a third does not turn its answers away.
            return LaterReply()
        outputs = self._engine.receive(
            request.device,
            request.command,
            request.payload,
            from_server=request.from_server,
            tsn=request.tsn,
            now=self._now(),
        )
        self._carry_out(outputs)
        self._note_progress(request.device)
        return DefaultReply(Status.SUCCESS) if request.command == EstablishmentCommand.TERMINATE else LaterReply()

    # --- for the daemon

    def start(self, partner: Eui64, partner_suites: int) -> None:
        """Ask a device for a key, as the initiator; ``partner_suites`` is its attribute 0x0000.

        Raises NotFound where no suite is common, and Refused where one is being established or just failed.
        """
        suite = self._engine.choose_suite(partner_suites)
        if suite is None:
            raise NotFound(f"{partner} and the hub have no suite in common", "see: hanctl certificate show")
        outputs = self._engine.start(partner, suite, self._now())
        # Where it last spoke from anybody may have said; the interview found where its server is.
        self._endpoints.pop(partner, None)
        self._carry_out(outputs)

    def forget(self, partner: Eui64) -> None:
        """Forget the exchanges of a device that was removed, or is to join anew."""
        self._engine.cancel(partner, self._now())
        tables: tuple[dict[Eui64, Any], ...] = (self._endpoints, self._uninstalled, self._progress, self._told)
        for table in tables:
            table.pop(partner, None)

    def under_way(self, partner: Eui64) -> bool:
        """Tell whether a key is being established with the device, or put into the dongle."""
        return partner in self._uninstalled or self._engine.stage(partner) not in (Stage.NONE, Stage.ESTABLISHED)

    def how_far(self, partner: Eui64) -> str | None:
        """Return how far the device has come, for people; None where it never asked for a key."""
        return self._progress.get(partner)

    def resume(self) -> None:
        """Give the dongle the keys that it missed, now that it is back."""
        for established in list(self._uninstalled.values()):
            self._install(established.partner)

    async def stop(self) -> None:
        """End everything that runs."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._tasks.cancel()

    # --- inside

    def _admit(self, partner: Eui64) -> Refusal | None:
        device, capacity = self._ledger.devices.get(partner), self._capacity()
        if device is None or not device.present:
            return Refusal(TerminateStatus.BAD_MESSAGE, "it is not a device of this hub")
        if capacity is None or device.keyed_at is not None:
            return None
        held = sum(each.keyed_at is not None for each in self._ledger.devices.all())
        held += sum(eui64 != partner for eui64 in self._uninstalled)
        if held >= capacity:
            return Refusal(TerminateStatus.NO_RESOURCES, f"the dongle's key table is full ({held} of {capacity})")
        return None

    def _capacity(self) -> int | None:
        return self._han.network.key_capacity if self._han.network is not None else None

    def _carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send():
                    self._tasks.start(self._send(output))
                case RunJob():
                    self._tasks.start(self._run(output))
                case Established():
                    self._uninstalled[output.partner] = output
                    self._install(output.partner)
                case Failed():
                    self._failed(output)
        self._set_timer()

    async def _send(self, send: Send) -> None:
        try:
            await self._han.send_command(
                send.partner,
                cluster=KEY_ESTABLISHMENT,
                command=send.command,
                payload=send.payload,
                endpoint=self._endpoints.get(send.partner),
                tsn=send.tsn,
                from_server=send.from_server,
                # As good as the acknowledgement, where that is lost.
                default_response=send.command is EstablishmentCommand.CONFIRM,
            )
        except HanctlError as error:
            log.info("a message of key establishment was not delivered", device=send.partner, reason=str(error))
            delivered = False
        else:
            delivered = True
        self._carry_out(self._engine.delivered(send.partner, send.ticket, delivered, self._now()))
        self._note_progress(send.partner)

    async def _run(self, run: RunJob) -> None:
        try:
            result = await asyncio.to_thread(run.job)
        except Exception:
            log.exception("a computation of key establishment failed", device=run.partner)
            result = None
        self._carry_out(self._engine.finished(run.partner, run.ticket, result, self._now()))
        self._note_progress(run.partner)

    def _default_response(self, device: Eui64, cluster: int, command: int, status: int, _: Proof) -> None:
        if cluster != KEY_ESTABLISHMENT:
            return
        self._carry_out(self._engine.default_response(device, command, status == Status.SUCCESS, self._now()))

    def _install(self, eui64: Eui64) -> None:
        if eui64 not in self._installing:
            self._installing[eui64] = self._tasks.start(self._put_in_dongle(eui64))

    async def _put_in_dongle(self, eui64: Eui64) -> None:
        """Install the last key that was established; meanwhile there may come another."""
        try:
            while (established := self._uninstalled.get(eui64)) is not None:
                try:
                    await self._tried(established)
                except DongleGone:
                    # Kept, and given to the dongle when it is back.
                    return
                except HanctlError as error:
                    if self._is_last(established):
                        del self._uninstalled[eui64]
                        self._not_taken(eui64, str(error))
                else:
                    if self._is_last(established):
                        self._keyed(established)
                        del self._uninstalled[eui64]
        finally:
            del self._installing[eui64]

    def _is_last(self, established: Established) -> bool:
        return self._uninstalled.get(established.partner) is established

    async def _tried(self, established: Established) -> None:
        for pause in INSTALL_RETRIES_S:
            try:
                return await self._han.keys.install(established.partner, established.key)
            except DeliveryFailed as error:
                log.warning("the dongle did not take a key", device=established.partner, reason=str(error))
            await asyncio.sleep(pause)
            if not self._is_last(established):
                return None
        return await self._han.keys.install(established.partner, established.key)

    def _keyed(self, established: Established) -> None:
        device = self._ledger.devices.get(established.partner)
        if device is None or not device.present:
            return
        # Its interview was under another key: what passes the next one has this one.
        state = "joined" if device.state == "interviewed" else device.state
        with self._ledger.transaction():
            self._ledger.devices.put(replace(device, keyed_at=self._clock.now(), state=state))
            suite, seconds = established.suite.number, round(established.seconds, 3)
            self._ledger.record(KeyEstablished(device=device.eui64, suite=suite, seconds=seconds))
        self._progress.pop(device.eui64, None)
        for callback in tuple(self.on_keyed):
            callback(device.eui64)
        self._han.key_established(device.eui64)

    def _not_taken(self, eui64: Eui64, reason: str) -> None:
        """Record that the device uses a key from now on that the dongle does not have, and call ``on_lost``."""
        device = self._ledger.devices.get(eui64)
        if device is not None and device.keyed_at is not None:
            self._ledger.devices.put(replace(device, keyed_at=None))
        self._fail(eui64, "established", f"the dongle did not take the key: {reason}", None)
        for callback in tuple(self.on_lost):
            callback(eui64, f"it has a new key, which the dongle did not take: {reason}")

    def _failed(self, failed: Failed) -> None:
        status = None
        if failed.status is not None:
            status = STATUS_NAMES.get(failed.status, f"status {failed.status}")
        self._fail(failed.partner, failed.stage.value, f"{failed.reason.value}: {failed.detail}", status)

    def _fail(self, eui64: Eui64, stage: str, reason: str, status: str | None) -> None:
        told, now = self._told.setdefault(eui64, deque(maxlen=FAILURES_TOLD)), self._now()
        if len(told) < FAILURES_TOLD or now - told[0] >= FAILURES_PERIOD_S:
            told.append(now)
            self._ledger.note(KeyFailed(device=eui64, stage=stage, reason=reason, status=status))
        else:
            log.warning("key establishment failed once more", device=eui64, stage=stage, reason=reason)
        self._progress[eui64] = f"its last attempt failed ({stage}): {reason}"

    def _note_progress(self, partner: Eui64) -> None:
        stage = self._engine.stage(partner)
        if stage not in (Stage.NONE, Stage.ESTABLISHED):
            self._progress[partner] = stage.value

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._engine.deadline
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, deadline - self._now()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._carry_out(self._engine.tick(self._now()))

    def _now(self) -> float:
        return self._clock.monotonic()
