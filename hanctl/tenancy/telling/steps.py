"""List the commands that tell a device of a change, in order, as the control bits ask for. Pure.

The publication comes first: a device that sleeps again after one frame has then got the one that matters. Source:
comms_hub.md §3.8 (which commands go with which bit), §2.3, §3.3 to §3.5 (their payloads).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hanctl.han.smart_energy.calendar import Calendar
from hanctl.han.smart_energy.device_management import DeviceManagement
from hanctl.han.smart_energy.messaging import Messaging
from hanctl.han.smart_energy.price import Price
from hanctl.han.smart_energy.types import MessagingControlMask, PeriodDurationType
from hanctl.model.change_records import Change, ChangePart, Fuel
from hanctl.tenancy.controls import Control, told
from hanctl.tenancy.utc2000 import to_utc2000

CANCEL_ALL_MESSAGES = "CancelAllMessages"
"""The step that also takes messages of the hub's own from a display."""

MESSAGES, TARIFFS, CALENDARS = "messages", "tariffs", "calendars"
"""What is withdrawn one by one: numbers of messages; of tariffs and of calendars, each with its type."""

UNTIL_CHANGED = 0x3FFFFF
"""A billing period without an end. An assumption: that the period's duration follows the block period's convention."""
_FROM_ITS_START = PeriodDurationType(timebase=0, control=0)
_NO_CONFIRMATION = MessagingControlMask.deserialize(b"\x00")[0]
CONTACT_SIZE, NAME_SIZE = 18, 16
"""Bytes. The reference stack's clients keep no more of the contact details (comms_hub.md §2.3)."""


@dataclass(frozen=True, slots=True)
class TellingStep:
    """One command. ``name`` is the standard's, with the number it is about where there are several."""

    name: str
    cluster: int
    command: int
    payload: bytes
    fuel: Fuel


def steps(change: Change, part: ChangePart) -> tuple[TellingStep, ...]:
    """List everything that a device is told of one part of a change that is done."""
    return tuple(_steps(change, part))


def publication(change: Change, part: ChangePart) -> TellingStep:
    """Build Publish Change of Tenancy or of Supplier, which also answers a query."""
    assert part.issuer_event_id is not None
    if change.kind == "tenancy":
        return _step(
            "PublishChangeOfTenancy",
            DeviceManagement,
            DeviceManagement.ClientCommandDefs.publish_change_of_tenancy,
            part.fuel,
            provider_id=part.provider_id,
            issuer_event_id=part.issuer_event_id,
            tariff_type=part.tariff_type,
            implementation_date_time=to_utc2000(change.takes_effect),
            proposed_tenancy_change_control=told(change.kind, change.control),
        )
    return _step(
        "PublishChangeOfSupplier",
        DeviceManagement,
        DeviceManagement.ClientCommandDefs.publish_change_of_supplier,
        part.fuel,
        current_provider_id=part.former_provider_id,
        issuer_event_id=part.issuer_event_id,
        tariff_type=part.tariff_type,
        proposed_provider_id=part.provider_id,
        provider_change_implementation_time=to_utc2000(change.takes_effect),
        provider_change_control=change.control,
        proposed_provider_name=part.provider_name.encode(),
        proposed_provider_contact_details=part.provider_contact.encode(),
    )


def _steps(change: Change, part: ChangePart) -> Iterator[TellingStep]:
    control, withdrawn = Control(change.control & sum(Control)), dict(part.withdrawn)
    yield publication(change, part)
    for (number,) in withdrawn.get(MESSAGES, ()):
        yield _step(
            f"CancelMessage {number}",
            Messaging,
            Messaging.ClientCommandDefs.cancel_message,
            part.fuel,
            message_id=number,
            message_control=_NO_CONFIRMATION,
        )
    if control & Control.CLEAR_IHD_DATA_CONSUMER:
        yield _step(
            CANCEL_ALL_MESSAGES,
            Messaging,
            Messaging.ClientCommandDefs.cancel_all_messages,
            part.fuel,
            implementation_date_time=to_utc2000(change.takes_effect),
        )
        yield _step(
            "UpdateCIN",
            DeviceManagement,
            DeviceManagement.ClientCommandDefs.update_cin,
            part.fuel,
            issuer_event_id=part.issuer_event_id,
            implementation_time=0,
            provider_id=part.provider_id,
            customer_id_number=b"",
        )
    for number, kind in withdrawn.get(TARIFFS, ()):
        yield _step(
            f"CancelTariff {number}",
            Price,
            Price.ClientCommandDefs.cancel_tariff,
            part.fuel,
            provider_id=part.former_provider_id,
            issuer_tariff_id=number,
            tariff_type=kind,
        )
    for number, kind in withdrawn.get(CALENDARS, ()):
        yield _step(
            f"CancelCalendar {number}",
            Calendar,
            Calendar.ClientCommandDefs.cancel_calendar,
            part.fuel,
            provider_id=part.former_provider_id,
            issuer_calendar_id=number,
            calendar_type=kind,
        )
    if control & Control.RESET_BILLING_PERIOD:
        yield _step(
            "PublishBillingPeriod",
            Price,
            Price.ClientCommandDefs.publish_billing_period,
            part.fuel,
            provider_id=part.provider_id,
            issuer_event_id=part.issuer_event_id,
            billing_period_start_time=to_utc2000(change.takes_effect),
            billing_period_duration=UNTIL_CHANGED,
            billing_period_duration_type=_FROM_ITS_START,
            tariff_type=part.tariff_type,
        )


def _step(name: str, cluster: Any, definition: Any, fuel: Fuel, **values: Any) -> TellingStep:
    return TellingStep(name, int(cluster.cluster_id), int(definition.id), definition.schema(**values).serialize(), fuel)
