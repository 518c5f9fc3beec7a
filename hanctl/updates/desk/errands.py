"""Errands, which the hub begins by itself: read power and policies, notify, release, read back.

Each method is one errand. If the device is not reachable, the errand is only tried again later.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import structlog

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError, NotFound
from hanctl.base.eui64 import Eui64
from hanctl.han.errors import MalformedZcl, TimedOut
from hanctl.han.interview import (
    BATTERY_PERCENTAGE_REMAINING,
    POWER_CONFIGURATION,
    POWER_SOURCE,
    battery_percent,
    power_source,
)
from hanctl.ledger.ledger import Ledger
from hanctl.model.event import Event
from hanctl.model.events import DevicePowerRead, DeviceVersionRead
from hanctl.model.records import Device, Update
from hanctl.model.update_events import UpdateActivationChanged, UpdatePowerGood, UpdatePowerLow, UpdatePowerUnknown
from hanctl.radio.endpoints import BASIC
from hanctl.radio.errors import DongleGone
from hanctl.updates.desk.displays import Displays
from hanctl.updates.desk.link import HanLink
from hanctl.updates.life import gates, lifecycle, power
from hanctl.updates.life.open_updates import OpenUpdates, Session
from hanctl.updates.serving import ota
from hanctl.updates.serving.ends import upgrade_end_reply
from hanctl.updates.serving.reconciliation import NORMAL, QUERY, READ_BACK, VersionFinding, doubt, reconcile

log = structlog.get_logger()

FRESH_QUERY_S = 60.0
"""A device that has asked so lately need not be told to ask."""

READ_BACK_STATES = frozenset({"transferring", "verifying", "holding", "activating", "in_doubt"})


class Unreachable(Exception):
    """The device did not receive what was sent; ``dongle_gone``: because there is no dongle."""

    def __init__(self, dongle_gone: bool) -> None:
        self.dongle_gone = dongle_gone


class Errands:
    """Errands of open updates. All raise LedgerError; those that say so, Unreachable."""

    def __init__(self, ledger: Ledger, han: HanLink, updates: OpenUpdates, displays: Displays, clock: Clock) -> None:
        self._ledger = ledger
        self._han = han
        self._updates = updates
        self._displays = displays
        self._clock = clock

    # --- before the transfer

    async def begin(self, session: Session) -> None:
        """Notify the device of its image if it has enough power and its window is open. Raises Unreachable."""
        wait = self._updates.transfer_wait(session)
        if self._asked_lately(session) or (session.prepared and wait is not None and wait.kind in {"window", "clock"}):
            return
        if not session.prepared or self._on_battery(session):
            await self._read_power(session)
            if not session.prepared:
                await self._read_policies(session)
            session.prepared = True
        if not self._waiting_to_begin(session):
            return
        await self._mind_power(session)
        if self._waiting_to_begin(session) and self._updates.transfer_wait(session) is None:
            await self._notify(session)

    def _asked_lately(self, session: Session) -> bool:
        return session.queried_at is not None and self._clock.monotonic() - session.queried_at < FRESH_QUERY_S

    def _waiting_to_begin(self, session: Session) -> bool:
        update = self._still(session)
        return update is not None and update.state in {"ordered", "notified"}

    def _waits_for_power(self, session: Session) -> bool:
        gate = self._updates.release_wait if session.update.state == "holding" else self._updates.transfer_wait
        wait = gate(session)
        return wait is not None and wait.kind == "power"

    async def _mind_power(self, session: Session) -> None:
        """Record the device's power, and ask the user to plug the device in if it must be."""
        update, device = session.update, self._updates.device(session)
        source, level = device.power_source, device.battery_percent
        about: dict[str, Any] = {"device": update.device, "update": update.id, "power_source": source}
        if update.ignore_power:
            await self._displays.withdraw(update)
        elif self._waits_for_power(session):
            wanted = self._updates.rules.battery_percent
            self._once(UpdatePowerLow(**about, battery_percent=level, wanted_percent=wanted))
            await self._displays.ask(session)
        elif update.message is not None:
            if not self._ledger.events(update=update.id, type=UpdatePowerGood.type):
                self._ledger.record(UpdatePowerGood(**about, battery_percent=level))
            await self._displays.withdraw(update)
        elif power.power_of(device, self._updates.rules.battery_percent) == "unknown":
            self._once(UpdatePowerUnknown(**about))

    def _once(self, event: Event) -> None:
        """Record an event unless this update already has one of its type."""
        if not self._ledger.events(update=event.model_dump()["update"], type=event.type):
            self._ledger.record(event)

    async def _notify(self, session: Session) -> None:
        update = session.update
        notify = ota.ImageNotify(
            payload_type=3,
            query_jitter=100,
            manufacturer_code=update.manufacturer_code,
            image_type=update.image_type,
            new_file_version=update.file_version,
        )
        await self._send(session, ota.Command.IMAGE_NOTIFY, notify.serialize())
        current = self._still(session)
        if current is None:
            return
        now = self._clock.now()
        if current.state == "ordered":
            self._updates.step(
                session, lifecycle.move(current, "notified", "Image Notify was delivered", notified_at=now)
            )
        elif current.notified_at is None:
            # A quick device asks for its first block before the delivery of the notification is known.
            self._updates.change(session, replace(current, notified_at=now, offset=session.offset))

    # --- what the device says of itself

    async def _read_power(self, session: Session) -> None:
        """Read the power source, and the battery level if the device has a battery. Raises Unreachable."""
        eui64 = session.update.device
        told = await self._read(eui64, BASIC, [POWER_SOURCE])
        source = self._updates.device(session).power_source
        if POWER_SOURCE in told:
            source = power_source(told[POWER_SOURCE])
        level = None
        if source is not None and source.startswith("battery"):
            level = self._updates.device(session).battery_percent
            told = await self._read(eui64, POWER_CONFIGURATION, [BATTERY_PERCENTAGE_REMAINING])
            if told:
                level = battery_percent(told[BATTERY_PERCENTAGE_REMAINING])
        device = self._updates.device(session)
        if (source, level) != (device.power_source, device.battery_percent):
            with self._ledger.transaction():
                self._ledger.devices.put(replace(device, power_source=source, battery_percent=level))
                self._ledger.note(DevicePowerRead(device=eui64, power_source=source, battery_percent=level))

    async def _read_policies(self, session: Session) -> None:
        """Read the OTA policies of the running firmware, which may be newer than the interview. Raises Unreachable."""
        wanted = [ota.ACTIVATION_POLICY, ota.TIMEOUT_POLICY]
        told = await self._read(session.update.device, ota.CLUSTER, wanted, client_side=True)
        policies = [value if isinstance(value := told.get(attribute), int) else None for attribute in wanted]
        device = self._updates.device(session)
        if told and policies != [device.activation_policy, device.timeout_policy]:
            self._ledger.devices.put(replace(device, activation_policy=policies[0], timeout_policy=policies[1]))
        self.mind_policy(session)

    def mind_policy(self, session: Session) -> None:
        """Change the activation to "by-device" if the device decides by itself, whatever was ordered."""
        update = self._still(session)
        if update is None or update.activation == "by-device":
            return
        if self._updates.device(session).activation_policy == gates.OUT_OF_BAND:
            self._updates.change(
                session,
                replace(update, activation="by-device"),
                UpdateActivationChanged(
                    device=update.device,
                    update=update.id,
                    activation="by-device",
                    cause="the device decides itself when it activates (UpgradeActivationPolicy 1)",
                ),
            )

    async def _read(
        self, eui64: Eui64, cluster: int, attributes: list[int], *, client_side: bool = False
    ) -> dict[int, Any]:
        """Read attributes; return nothing if the device lacks the cluster or does not answer. Raises Unreachable."""
        try:
            return await self._han.read_attributes(
                eui64, cluster=cluster, attributes=attributes, client_side=client_side
            )
        except (TimedOut, NotFound, MalformedZcl):
            return {}
        except HanctlError as error:
            log.info("the device did not take a question", device=eui64, cluster=cluster, reason=str(error))
            raise Unreachable(isinstance(error, DongleGone)) from error

    # --- activation

    async def release(self, session: Session) -> bool:
        """Tell a holding device to activate, if it may. Returns True once it took the command. Raises Unreachable.

        The ledger records the command before it is sent: from then on the device may have it, acknowledged or not.
        """
        update = self._still(session)
        if update is None or update.state != "holding":
            return False
        if not update.ignore_power and self._on_battery(session):
            await self._read_power(session)
            await self._mind_power(session)
        update = self._still(session)
        if update is None or update.state != "holding" or self._updates.release_wait(session) is not None:
            return False
        if self._han.network is None:
            raise Unreachable(True)
        now = self._clock.now()
        step = lifecycle.released(update, now, gates.due_cause(update))
        tried = replace(step.update, release_tried_at=step.update.release_tried_at or now)
        if tried != update:
            self._updates.change(session, tried, *step.events)
        reply = upgrade_end_reply(update, hold=False)
        await self._send(session, reply.command, reply.payload, default_response=True)
        current = self._still(session)
        if current is None or current.state != "holding" or current.activation == "by-device":
            return False
        self._updates.step(
            session,
            lifecycle.activating(
                current, self._clock.now(), f"{gates.due_cause(current)}; the device took the command"
            ),
        )
        return True

    def _on_battery(self, session: Session) -> bool:
        found = power.power_of(self._updates.device(session), self._updates.rules.battery_percent)
        return found in {"battery", "low"}

    # --- reconciliation

    async def read_back(self, session: Session, *, last: bool) -> bool:
        """Read the running version and act on it; True if the device answered. Raises Unreachable without a dongle.

        ``last``: the device is not asked again soon, so the version in its query has to do.
        """
        eui64 = session.update.device
        wanted = [ota.CURRENT_FILE_VERSION, ota.IMAGE_UPGRADE_STATUS, ota.DOWNLOADED_FILE_VERSION]
        version, status, downloaded, answered = None, None, None, False
        try:
            told = await self._han.read_attributes(
                eui64, cluster=ota.CLUSTER, attributes=wanted, client_side=True, endpoint=session.endpoint
            )
        except HanctlError as error:
            log.info("the running version was not read", device=eui64, reason=str(error))
            if isinstance(error, DongleGone):
                raise Unreachable(True) from error
            # The new firmware may have other endpoints: next time, as the interview found them.
            session.endpoint = None
        else:
            version, status, downloaded = (told.get(attribute) for attribute in wanted)
            answered = True
        update = self._still(session)
        if update is None or update.state not in READ_BACK_STATES:
            return answered
        told_status = status if isinstance(status, int) else None
        if told_status == NORMAL and downloaded == update.file_version:
            told_status = None
        if isinstance(version, int) and version != ota.UNKNOWN_VERSION:
            self.found(session, VersionFinding(version, told_status, "version read back", READ_BACK))
        elif session.queried_version == update.file_version and (answered or last):
            # It does not tell the attribute, but says the same in its query.
            self.found(session, VersionFinding(update.file_version, told_status, "query next image", QUERY))
        self.mind_doubt(session)
        return answered

    def mind_doubt(self, session: Session) -> None:
        """Move an activation that did not succeed for too long to "in_doubt"."""
        update = self._still(session)
        if update is not None:
            self._updates.step(session, doubt(update, self._clock.now()))

    def found(self, session: Session, finding: VersionFinding) -> None:
        """Act on the version that the device runs; its record is updated in the same transaction."""
        update, device = session.update, self._updates.device(session)
        activations = self._updates.activations(session) if update.state in {"activating", "in_doubt"} else 0
        step = reconcile(update, finding, self._clock.now(), device.device_type, activations)
        if step is None:
            note_version(self._ledger, device.eui64, finding.version)
            return
        events: list[Event] = []
        if device.current_version != finding.version:
            events.append(
                DeviceVersionRead(device=device.eui64, old_version=device.current_version, new_version=finding.version)
            )
        session.prepared = False
        self._updates.change(
            session, step.update, *events, *step.events, device=replace(device, current_version=finding.version)
        )

    # --- inside

    def _still(self, session: Session) -> Update | None:
        """Return the update as it is now if it is still open: anything may have happened during an await."""
        return session.update if self._updates.get(session.update.id) is session else None

    async def _send(self, session: Session, command: int, payload: bytes, *, default_response: bool = False) -> None:
        try:
            await self._han.send_command(
                session.update.device,
                cluster=ota.CLUSTER,
                command=command,
                payload=payload,
                endpoint=session.endpoint,
                default_response=default_response,
            )
        except HanctlError as error:
            log.info("a command did not reach the device", update=session.update.id, command=command, reason=str(error))
            raise Unreachable(isinstance(error, DongleGone)) from error


def note_version(ledger: Ledger, eui64: Eui64, version: int) -> Device | None:
    """Record the version that a device says it runs, if it is new."""
    device = ledger.devices.get(eui64)
    if device is None or version in {device.current_version, ota.UNKNOWN_VERSION}:
        return device
    with ledger.transaction():
        ledger.devices.put(replace(device, current_version=version))
        ledger.note(DeviceVersionRead(device=eui64, old_version=device.current_version, new_version=version))
    return device
