"""The daemon: build the hub's parts, connect them, and stop them in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

import hanctl
from hanctl.api.doors.server import ApiServer
from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError, Refused
from hanctl.base.eui64 import Eui64
from hanctl.base.service_manager import ServiceManager
from hanctl.config.sections import Config
from hanctl.console.configured import configured_console
from hanctl.console.console import DeviceConsole
from hanctl.crypto.install_code import parse_install_code
from hanctl.data.service import DataService
from hanctl.data.snapshots import take_snapshot
from hanctl.han.han import Han
from hanctl.han.life import Life
from hanctl.hub import settings
from hanctl.hub.reload import Reloads
from hanctl.hub.supervisor import Supervisor
from hanctl.images.store import FirmwareStore
from hanctl.ledger.clock_watch import ClockWatch
from hanctl.ledger.files.copying import LedgerCopies
from hanctl.ledger.files.last_dongle import known_network
from hanctl.ledger.files.restoring import untold
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.retention import Limits, Retention
from hanctl.ledger.room import as_there_is_room
from hanctl.logs.setup import log_event
from hanctl.metrics.metrics import Metrics
from hanctl.model.change_records import Evidence
from hanctl.model.events import HubStarted, HubStopped
from hanctl.model.records import DeviceType
from hanctl.radio import DongleSettings, open_radio
from hanctl.radio.endpoints import hub_endpoints
from hanctl.radio.finding.port import Port
from hanctl.radio.frames import NetworkState, Radio
from hanctl.radio.tap import FrameTap
from hanctl.state.state import StateDirectory
from hanctl.tenancy.telling.steps import CANCEL_ALL_MESSAGES
from hanctl.tenancy.tenancy import Tenancy
from hanctl.trust.service import TrustService
from hanctl.updates.desk.service import UpdateService
from hanctl.webhook.keeper import WebhookKeeper

log = structlog.get_logger()


def dongle_settings(
    config: Config, *, port: str | None = None, eui64: Eui64 | None = None, network: Eui64 | None = None
) -> DongleSettings:
    """Return the dongle settings of ``[dongle]`` and ``[network]``.

    ``port``: where it is now, if not where it is configured; ``eui64`` and ``network``: what it must have, if any.
    """
    dongle = config.dongle
    return DongleSettings(
        radio=dongle.radio,
        path=port or dongle.path,
        channel=config.network.channel,
        baudrate=dongle.baudrate,
        flow_control=dongle.flow_control,
        eui64=eui64,
        network=network,
        endpoints=hub_endpoints(meter_stand_in=config.data.meter_stand_in),
    )


class Daemon:
    """One Communications Hub.

    ``await run()`` is its whole life; ``start`` and ``stop`` are for those who embed it. ``serve`` False leaves out
    the control socket, as a virtual-time loop has no sockets. ``manager`` is told of its life. ``reread`` gives the
    configuration anew, for ``reloads``. After ``start``: ``ledger``, ``copies``, ``clock_watch``, ``store``, ``han``,
    ``updates``, ``data``, ``trust``, ``tenancy``, ``webhook``, ``metrics``, ``console`` (None: not configured).
    """

    state: StateDirectory
    ledger: Ledger
    copies: LedgerCopies
    store: FirmwareStore
    han: Han
    updates: UpdateService
    data: DataService
    trust: TrustService
    tenancy: Tenancy
    webhook: WebhookKeeper
    console: DeviceConsole | None
    metrics: Metrics

    def __init__(
        self,
        config: Config,
        clock: Clock,
        radio_factory: Callable[[Config], Radio] | None = None,
        *,
        serve: bool = True,
        manager: ServiceManager | None = None,
        reread: Callable[[], Config] | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.tap = FrameTap()
        self.started_at: datetime | None = None
        self.closing = asyncio.Event()
        """Set once the last event is recorded and all is about to be closed: long answers of the API end then."""
        self._stopping = asyncio.Event()
        self._radio_factory = radio_factory
        self._serve = serve
        self._manager = manager or ServiceManager({})
        self.reloads = Reloads(self, reread or (lambda: config), self._manager)
        self._stop_reason = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._api: asyncio.Task[None] | None = None
        self._undo: list[Callable[[], None]] = []
        self._supervisor: Supervisor | None = None

    @property
    def network(self) -> NetworkState | None:
        """Return the network, or None while the dongle is absent."""
        return self._supervisor.network if self._supervisor is not None else None

    async def run(self) -> None:
        """Start, work until ``request_stop`` or until a part fails, and stop. Raises what start or that part raised."""
        starting = asyncio.create_task(self.start())
        waiting = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                with suppress(asyncio.CancelledError):
                    await starting
                return
            await starting
            parts = [*self._tasks, *([self._api] if self._api is not None else [])]
            await asyncio.wait({waiting, *parts}, return_when=asyncio.FIRST_COMPLETED)
            failures = [part.exception() for part in parts if part.done() and not part.cancelled()]
            asked = waiting.done()
            failed = next((failure for failure in failures if failure is not None), None)
            try:
                await self.stop(self._stop_reason or "a part of the hub failed")
            except HanctlError:
                # What ended it comes first: stopping most often fails for the same reason.
                if failed is None:
                    raise
            if failed is not None:
                if not isinstance(failed, HanctlError):
                    log.error("a part of the hub failed", exc_info=failed)
                raise failed
            if not asked:
                raise RuntimeError("a part of the hub ended by itself")
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    def request_stop(self, reason: str = "asked to stop") -> None:
        """Make ``run`` stop. May be called more than once, and from a signal handler of the loop."""
        self._stop_reason = self._stop_reason or reason
        self._stopping.set()

    async def start(self) -> None:
        """Start the hub. Raises HanctlError; then everything is closed again, and no network was formed."""
        try:
            await self._start()
        except BaseException:
            await self._take_down()
            raise

    async def stop(self, reason: str) -> None:
        """Stop the hub cleanly. Safe to call twice."""
        self.request_stop(reason)
        if self.started_at is None:
            return
        self.started_at = None
        self._manager.stopping(reason)
        try:
            self.ledger.limiting.tell(everything=True)
            self.ledger.record(HubStopped(reason=reason))
        finally:
            # Also with a full disk: nothing more is recorded then, but nothing is left open either.
            self.closing.set()
            await self._end_tasks()
            await self._take_down()

    async def join(
        self, eui64: Eui64, install_code: str, *, seconds: int | None = None, device_type: DeviceType | None = None
    ) -> int:
        """Let one device join with its install code (hex). Returns how long the network stays open for it, in seconds.

        Raises InstallCodeError, DeviceRefused, DongleGone, DeliveryFailed.
        """
        key = parse_install_code(install_code).link_key
        window = seconds or self.config.join.window_s
        self.trust.check_join(eui64)
        await self.han.expect(eui64, key, window, device_type)
        return window

    async def remove(self, eui64: Eui64) -> None:
        """Ask a device to leave, and forget its address and key. Raises NotFound, Refused."""
        update = self.ledger.updates.open_for(eui64)
        if update is not None:
            raise Refused(
                f"device {eui64} has the open update {update.id}",
                f"cancel it first: hanctl update cancel {update.id}",
            )
        await self.trust.remove(eui64, "asked for")

    async def _start(self) -> None:
        signatures = settings.signature_checker(self.config.firmware)
        webhook_secret = settings.webhook_secret(self.config.webhook)
        credentials = settings.hub_credentials(self.config.trust)
        subject = credentials[0].subject if credentials else None
        self.state = StateDirectory(self.config.hub.state_dir)
        self._undo.append(self.state.close)
        self.ledger = self.state.open(self.clock)
        # Whoever reads of events is there before the first is recorded.
        self.ledger.subscribe(log_event)
        self.webhook = WebhookKeeper(self.ledger, self.clock)
        self.webhook.use(self.config.webhook, webhook_secret)
        self.copies = LedgerCopies(self.ledger, self.clock)
        self.clock_watch = ClockWatch(self.ledger, self.clock)
        self.store = FirmwareStore(self.config.hub.firmware_store, self.clock, signatures)
        self.han = Han(self.ledger, self.clock, hub_endpoints(meter_stand_in=self.config.data.meter_stand_in))
        rules = settings.rules(self.config.updates, self.clock_watch)
        delivery = settings.delivery(self.config.ota)
        self.updates = UpdateService(self.ledger, self.han, self.store, self.clock, rules, delivery)
        self.metrics = Metrics(self)
        self.han.register(self.updates.server)
        self.han.on_default_response.append(self.updates.answered)
        self.data = DataService(self.ledger, self.han, self.clock)
        self.data.answer_messages(self.updates.message_for)
        trust = self.config.trust
        self.trust = TrustService(
            self.ledger,
            self.han,
            self.clock,
            credentials,
            required=trust is not None and trust.required,
            timeout_s=trust.cbke_timeout_s if trust is not None else 0,
            backups=self.config.hub.state_dir / "backups",
            give_up=self._give_up,
        )
        self.tenancy = self._new_tenancy()
        self.console = configured_console(self.config, self.ledger, self.clock)
        self.clock_watch.on_set += [self.updates.clock_set, self.tenancy.clock_set]
        self.han.on_life.append(self._alive)
        api = self._bind() if self._serve else None
        self._supervisor = Supervisor(
            self.ledger,
            self.han,
            Port(self.config.dongle.path),
            lambda port: self._new_radio(port, subject),
            self._opened,
        )
        # What fell due while the hub was not there is done before anybody can ask for it.
        self.tenancy.catch_up()
        network = await self._open(self._supervisor, api)
        self.state.keep()
        self.started_at = self.clock.now()
        for recorded in untold(self.ledger):
            self.ledger.tell(recorded)
        self.ledger.record(HubStarted(version=hanctl.__version__))
        self.clock_watch.tell()
        self._supervisor.announce(network)
        self._work(self._manager.feed())
        self._work(self._supervisor.run())
        self._work(self.clock_watch.run())
        limits = Limits(self.config.retention.days, self.config.retention.events)
        self._work(Retention(self.ledger, self.clock, limits).run())
        for work in (self.copies.run, self.ledger.limiting.run):
            self._work(as_there_is_room(work))
        for part in (self.store, self.updates, self.data, self.trust, self.tenancy, self.webhook, self.reloads):
            self._work(part.run())
        if self.console is not None:
            self._work(self.console.run())
        if api is not None:
            self._api = asyncio.create_task(api.serve())
        self._manager.ready(f"{network.radio} dongle {network.dongle_eui64} on channel {network.channel}")

    async def _open(self, supervisor: Supervisor, api: ApiServer | None) -> NetworkState:
        if api is None:
            return await supervisor.open()
        # A dongle keeps the hub waiting for parts of a second: the API is loaded meanwhile.
        loading = asyncio.create_task(asyncio.to_thread(api.load))
        try:
            return await supervisor.open()
        finally:
            await loading

    def _new_radio(self, port: str, subject: Eui64 | None) -> Radio:
        if self._radio_factory is not None:
            return self._radio_factory(self.config)
        settings = dongle_settings(self.config, port=port, eui64=subject, network=known_network(self.ledger))
        return open_radio(settings, self.tap)

    def _opened(self) -> None:
        self.trust.resume()
        self.updates.resume()
        self.tenancy.resume()

    def _new_tenancy(self) -> Tenancy:
        tenancy = Tenancy(
            self.ledger,
            self.han,
            self.clock,
            snapshots=partial(take_snapshot, self.ledger.household),
            overdue_after=timedelta(hours=self.config.tenancy.overdue_h),
            places=(self.config.hub.state_dir, *self.config.tenancy.places),
        )
        tenancy.orders.on_done.append(lambda _: self.data.changed())
        tenancy.records.on_evidence.append(self._told_of_change)
        self.data.answer_changes(tenancy, tenancy.take_event)
        self.han.on_life.append(tenancy.alive)
        self.han.on_default_response.append(tenancy.default_response)
        return tenancy

    def _told_of_change(self, evidence: Evidence) -> None:
        if (evidence.kind, evidence.what) == ("told", CANCEL_ALL_MESSAGES):
            self.updates.messages_cancelled(evidence.device)

    def _give_up(self, eui64: Eui64) -> None:
        """Fail the open update of a device that was evicted."""
        self.updates.end(eui64, "the device was removed, as it established no key in time")

    def _bind(self) -> ApiServer:
        api = ApiServer(self)
        self._undo.append(api.close)
        return api

    def _alive(self, eui64: Eui64, life: Life) -> None:
        if life in (Life.FRAME, Life.SECURED):
            self.updates.heard(eui64)
        else:
            self.updates.returned(eui64, anew=life in (Life.JOINED, Life.ANNOUNCED))

    def _work(self, part: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(part))

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        # The API is not cancelled: it ends by itself when ``closing`` is set, and sees answers out.
        api = [self._api] if self._api is not None else []
        await asyncio.gather(*self._tasks, *api, return_exceptions=True)
        self._tasks.clear()

    async def _take_down(self) -> None:
        # The last made is undone first, and what fails keeps nothing else from being undone.
        async with AsyncExitStack() as stack:
            for undo in self._undo:
                stack.callback(undo)
            self._undo.clear()
            if self._supervisor is not None:
                stack.push_async_callback(self._supervisor.close)
                stack.push_async_callback(self.han.stop)
                stack.push_async_callback(self.trust.stop)
                stack.push_async_callback(self.updates.delivery.stop)
