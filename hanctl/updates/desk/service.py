"""Order, activate and cancel updates for a service user, and report their progress. See docs/updates.md.

All of it is in the ledger before it is acted on, so a kill at any moment loses nothing. An update is confirmed, and its
notice written, in one transaction, when the version read back from the device is the ordered one; in whatever state
the update is by then, as a device may activate of its own accord.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from hanctl.base.clock import Clock
from hanctl.base.errors import InvalidInput, NotFound, Refused
from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import Proof
from hanctl.images.store import FirmwareStore
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.rows import time_text
from hanctl.model.records import Activation, Device, Update
from hanctl.model.update_events import UpdateActivationRefused, UpdateCancelAsked, UpdateDated
from hanctl.updates.desk import outlook
from hanctl.updates.desk.courier import Courier
from hanctl.updates.desk.displays import Displays
from hanctl.updates.desk.errands import Errands, note_version
from hanctl.updates.desk.images import OrderableImages
from hanctl.updates.desk.link import HanLink
from hanctl.updates.desk.outlook import Progress
from hanctl.updates.life import lifecycle, making, orders
from hanctl.updates.life.gates import Rules
from hanctl.updates.life.open_updates import OpenUpdates, Session
from hanctl.updates.life.orders import Match, Order, OrderVerdict
from hanctl.updates.serving import default_responses, ota
from hanctl.updates.serving.default_responses import Answer
from hanctl.updates.serving.delivery import Delivery, DeliveryLink, DeliverySettings
from hanctl.updates.serving.reconciliation import QUERY, VersionFinding
from hanctl.updates.serving.server import OtaServer
from hanctl.updates.serving.weighing import Weighing

_CANCELLABLE = frozenset({"ordered", "notified", "transferring", "verifying", "holding", "in_doubt"})
_ANSWERS: dict[tuple[int, int], Callable[[Update, Device, int, datetime], Answer | None]] = {
    (ota.CLUSTER, ota.Command.QUERY_NEXT_IMAGE_RESPONSE): default_responses.offer_answered,
    (ota.CLUSTER, ota.Command.UPGRADE_END_RESPONSE): default_responses.release_answered,
}


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """Outcome of an order for one device; ``update``: the one that was made."""

    verdict: OrderVerdict
    update: Update | None = None

    def ordered(self) -> Update:
        """Return the update that was made. Raises Refused if none was."""
        if self.update is None:
            raise Refused(self.verdict.reason, self.verdict.hint)
        return self.update


class UpdateLink(HanLink, DeliveryLink, Protocol):
    """What updates need of the HAN."""


class UpdateService:
    """Take orders of firmware updates. ``images``: the images that can be ordered.

    ``server`` is to be registered with the HAN; ``message_for`` gives the message that a device should show; ``heard``
    and ``returned`` are to be called at signs of life, ``answered`` at Default Responses, ``messages_cancelled`` where
    a display was told to cancel all messages, ``resume`` whenever the dongle was opened, and ``clock_set`` when the
    clock was.
    """

    def __init__(
        self,
        ledger: Ledger,
        han: UpdateLink,
        store: FirmwareStore,
        clock: Clock,
        rules: Rules | None = None,
        delivery: DeliverySettings | None = None,
    ) -> None:
        self._ledger = ledger
        self._han = han
        self._store = store
        self._clock = clock
        self._open = OpenUpdates(ledger, store, clock, rules or Rules())
        displays = Displays(ledger, han, self._open)
        self._errands = Errands(ledger, han, self._open, displays, clock)
        self._courier = Courier(ledger, han, self._open, displays, self._errands, clock)
        self.images = OrderableImages(ledger, store, self._open)
        self.add_image, self.remove_image = self.images.add, self.images.remove
        self.delivery = Delivery(han, clock, delivery)
        weighing = Weighing(self._open, han, clock, han.bulk.is_sleepy)
        self.server = OtaServer(ledger, self._open, clock, self.delivery, weighing, self._queried)
        self.message_for = displays.active
        self.messages_cancelled = displays.cancelled
        self.heard = self._courier.heard
        self.returned = self._courier.returned
        self.resume = self._courier.resume
        self.clock_set = self._courier.clock_set
        self.run = self._courier.run

    def keep_to(self, rules: Rules) -> None:
        """Apply new rules to open updates and orders from now on."""
        self._open.rules = rules

    # --- orders

    def start(self, device: Eui64, file_sha256: str, *, activation: Activation = "now", **options: Any) -> Update:
        """Order an update of one device; the hub notifies it once it is reachable. ``options``: see ``Order``.

        ``file_sha256``: the hash of an image in the store or a unique prefix of it. Raises NotFound (device
        or image), Refused (as ``orders.judge`` says), InvalidInput, StoreError.
        """
        (outcome,) = self.order([device], Order(file_sha256, activation, **options))
        return outcome.ordered()

    def order(self, devices: Sequence[Eui64], order: Order, *, dry_run: bool = False) -> list[OrderOutcome]:
        """Order an update of each of these devices that the order fits.

        ``dry_run`` changes nothing. Raises NotFound (device or image), InvalidInput, StoreError.
        """
        now = self._clock.now()
        orders.check(order, now)
        image = self._store.get(order.image)
        self._store.read(image.file_sha256)
        stored = self._store.list()
        records = [self._device(device) for device in dict.fromkeys(devices)]
        outcomes = []
        for record in records:
            session = self._open.of(record.eui64)
            current = None if session is None else session.update
            verdict = orders.judge(order, image, record, current=current, store=stored, now=now, rules=self._open.rules)
            made = self._make(record, verdict, order, now) if verdict.accepted and not dry_run else None
            outcomes.append(OrderOutcome(verdict, made))
        return outcomes

    def matching(self, match: Match) -> list[Eui64]:
        """Return the devices on the network that match."""
        return [
            device.eui64
            for device in self._ledger.devices.all()
            if device.state in {"joined", "interviewed"} and match.takes(device)
        ]

    def _make(self, device: Device, verdict: OrderVerdict, order: Order, now: datetime) -> Update:
        """Supersede the old update and make the new one, in one transaction."""
        before = self._open.of(device.eui64)
        with self._ledger.transaction():
            if before is not None:
                number = self._ledger.updates.next_id()
                step = lifecycle.superseded(replace(before.update, offset=before.offset), number, now)
                self._ledger.updates.put(step.update, *step.events)
                for event in step.events:
                    self._ledger.record(event)
            for image in verdict.steps:
                # An image may have come into the store's directory without the daemon.
                self.images.note(image)
            made = making.make(self._ledger, device, verdict.steps, order, now)
        if before is not None:
            self._open.changed(before, step.update)
        self._open.adopt(made)
        return made

    # --- activation

    async def activate(
        self, update_id: int, *, manufacturer_image_sha256: str | None = None, at: datetime | None = None
    ) -> Update:
        """Release a holding update, now or at a time. A device that is not reachable is told when it is.

        ``manufacturer_image_sha256`` must be the image's, and be given for a load control switch. Returns the update:
        "activating" where the device was told, else still "holding". Raises NotFound, InvalidInput (a time that has
        passed), Refused (it is not holding, or the hash is another).
        """
        session = self._holding(update_id)
        self._check_hash(session, manufacturer_image_sha256)
        update, now = session.update, self._clock.now()
        if at is not None:
            if at <= now:
                raise InvalidInput("the time of activation has passed", "give a time ahead, or none")
            dated = UpdateDated(device=update.device, update=update_id, activate_at=time_text(at))
            self._open.change(session, replace(update, activation="at", activate_at=at, released_at=None), dated)
            return self._get(update_id)
        self._open.step(session, lifecycle.released(update, now, "by command"))
        await self._courier.release(session)
        return self._get(update_id)

    def _holding(self, update_id: int) -> Session:
        update = self._get(update_id)
        session = self._open.get(update_id)
        if session is None or update.state != "holding":
            hint = "only an update that is holding can be activated"
            if session is not None and update.activation == "now":
                hint = "it activates by itself: order it with --activate hold to decide when"
            raise Refused(f"update {update_id} is {update.state}, not holding", hint)
        if update.activation == "by-device":
            raise Refused(
                f"the device of update {update_id} decides itself when it activates", "activate it at the device"
            )
        return session

    def _check_hash(self, session: Session, given: str | None) -> None:
        update = session.update
        wanted = update.manufacturer_image_sha256
        if given is None and self._open.device(session).device_type not in orders.HASH_CHECKED:
            return
        if given is not None and wanted is not None and given.strip().lower() == wanted:
            return
        reason = (
            "a load control switch is activated only with its manufacturer image hash"
            if given is None
            else "the manufacturer image hash is not that of the image"
        )
        self._ledger.record(
            UpdateActivationRefused(
                device=update.device, update=update.id, given=None if given is None else given[:64], reason=reason
            )
        )
        raise Refused(
            f"update {update.id} is not activated: {reason}",
            "give the image's own with --manufacturer-image-sha256; see: hanctl firmware show",
        )

    # --- ends

    def cancel(self, update_id: int) -> Update:
        """Cancel an update before its activation; the device's next request is answered with ABORT.

        Where the command was sent and not acknowledged, whether the device has it is found out first: the update is
        "in_doubt" until then. One that is in doubt is given up. Raises NotFound, or Refused where the update is over or
        the device was told to activate.
        """
        update = self._get(update_id)
        session = self._open.get(update_id)
        if session is None:
            raise Refused(f"update {update_id} is {update.state} already", "there is nothing left to cancel")
        self._errands.mind_doubt(session)
        update = session.update
        if update.state not in _CANCELLABLE:
            told = update.activated_at or self._clock.now()
            raise Refused(
                f"the device of update {update_id} was told to activate",
                f"wait for it; where it is not seen to, it can be given up an hour after {time_text(told)}",
            )
        now, update = self._clock.now(), replace(session.update, offset=session.offset)
        if update.state == "holding" and update.release_tried_at is not None:
            asked = UpdateCancelAsked(device=update.device, update=update_id)
            doubt = lifecycle.move(
                update,
                "in_doubt",
                "cancelled after the activation command was sent: whether the device has it is not known",
                cancel_asked_at=now,
            )
            self._open.change(session, doubt.update, asked, *doubt.events)
        else:
            cause = "given up in doubt" if update.state == "in_doubt" else "by command"
            self._open.step(session, lifecycle.cancelled(update, now, cause))
        return self._get(update_id)

    def end(self, device: Eui64, cause: str) -> None:
        """Fail the open update of a device that is gone for good, if it has one."""
        session = self._open.of(device)
        if session is not None:
            record = self._open.device(session)
            self._open.step(session, lifecycle.failed(session.update, self._clock.now(), record.device_type, cause))

    # --- how it is

    def progress(self, update_id: int) -> Progress:
        """Return the progress of an update, and what it waits for if it is open. Raises NotFound."""
        session = self._open.get(update_id)
        if session is None:
            update = self._get(update_id)
            return outlook.of_ended(update, self._ledger.updates.following(update))
        wait = None
        if session.update.state in {"ordered", "notified", "transferring"}:
            wait = self._open.transfer_wait(session)
        elif session.update.state == "holding" or session.update.cancel_asked_at is not None:
            wait = self._open.release_wait(session)
        return outlook.of_open(session, self._open.device(session), wait, self._clock.now(), self._han.network is None)

    # --- what devices say

    def answered(self, eui64: Eui64, cluster: int, command: int, status: int, proof: Proof) -> None:
        """Take a Default Response from a device; it counts only if it is known to be the device's own."""
        session = self._open.of(eui64)
        evaluate = _ANSWERS.get((cluster, command))
        if session is None or evaluate is None:
            return
        if proof == "address":
            # Nobody can be asked what was meant; what the device runs tells.
            self._courier.check_version(session)
            return
        answer = evaluate(session.update, self._open.device(session), status, self._clock.now())
        if answer is not None:
            self._open.change(session, answer.step.update, *answer.step.events, device=answer.device)

    def _queried(self, eui64: Eui64, query: ota.QueryNextImageRequest, proof: Proof) -> None:
        session = self._open.of(eui64)
        if proof != "address":
            self._learn(eui64, query)
        if session is None:
            return
        update = session.update
        if (query.manufacturer_code, query.image_type) != (update.manufacturer_code, update.image_type):
            return
        running = int(query.current_file_version)
        if running == ota.UNKNOWN_VERSION:
            return
        if proof == "address":
            # From its address, under some key: reason enough to ask it, and no more.
            if update.state not in {"ordered", "notified"}:
                self._courier.check_version(session)
            return
        session.queried_version = running
        if update.state in {"ordered", "notified"}:
            self._errands.found(session, VersionFinding(running, None, "query next image", QUERY))
        elif running == update.file_version:
            self._courier.check_version(session)
        elif update.cancel_asked_at is not None or update.old_version not in (None, running):
            # A client asks for an image only when it has none.
            self._errands.found(session, VersionFinding(running, 0, "query next image", QUERY))

    def _learn(self, eui64: Eui64, query: ota.QueryNextImageRequest) -> None:
        """Record what a query tells about the device; for a device with several images, those of the first."""
        device = self._ledger.devices.get(eui64)
        if device is None:
            return
        news: dict[str, Any] = {}
        if device.manufacturer_code is None:
            news["manufacturer_code"] = int(query.manufacturer_code)
        if device.image_type is None:
            news["image_type"] = int(query.image_type)
        elif device.image_type != query.image_type:
            return
        if query.hardware_version not in {None, device.hardware_version}:
            news["hardware_version"] = int(query.hardware_version)
        if news:
            self._ledger.devices.put(replace(device, **news))
        note_version(self._ledger, eui64, int(query.current_file_version))

    # --- inside

    def _get(self, update_id: int) -> Update:
        update = self._ledger.updates.get(update_id)
        if update is None:
            raise NotFound(f"there is no update {update_id}", "see: hanctl update list")
        return update

    def _device(self, eui64: Eui64) -> Device:
        device = self._ledger.devices.get(eui64)
        if device is None:
            raise NotFound("this device is not known", "see: hanctl device list")
        return device
