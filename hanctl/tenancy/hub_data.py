"""Access the hub's data for a change: endpoints and provider of each fuel, and attributes about changes."""

from __future__ import annotations

from hanctl.data import catalogue
from hanctl.ledger.household import Household
from hanctl.model.change_records import Change, ChangePart, Fuel
from hanctl.radio.endpoints import DEVICE_MANAGEMENT, ESI_ENDPOINT, GAS_PROXY_ENDPOINT, METER_ENDPOINT
from hanctl.tenancy.controls import Control, told
from hanctl.tenancy.telling.steps import CALENDARS, TARIFFS
from hanctl.tenancy.utc2000 import to_utc2000

ENDPOINTS: dict[Fuel, tuple[int, ...]] = {
    "electricity": (ESI_ENDPOINT, METER_ENDPOINT),
    "gas": (GAS_PROXY_ENDPOINT,),
}
"""Where each fuel's data is; devices are told from the first."""

PROVIDER_ID, PROVIDER_NAME, PROVIDER_CONTACT = 0x0100, 0x0101, 0x0102
PROPOSED_ID, PROPOSED_NAME, PROPOSED_TIME, PROPOSED_CONTROL, PROPOSED_CONTACT = 0x0110, 0x0111, 0x0112, 0x0113, 0x0114
TENANCY_TIME, TENANCY_CONTROL = 0x0200, 0x0201
"""Source: comms_hub.md §2.1."""


def fuel_of(endpoint: int) -> Fuel | None:
    """Return the fuel of an endpoint of the hub."""
    return next((fuel for fuel, endpoints in ENDPOINTS.items() if endpoint in endpoints), None)


class HubData:
    """Read and write attributes of Device Management."""

    def __init__(self, household: Household) -> None:
        self._household = household

    def provider_id(self, fuel: Fuel) -> int:
        """Return the fuel's provider on record, or 0 if there is none."""
        stored = self._household.read(ENDPOINTS[fuel][0], DEVICE_MANAGEMENT).get(PROVIDER_ID)
        value = int.from_bytes(stored.value or b"", "little") if stored is not None else 0
        return 0 if value == 0xFFFFFFFF else value

    def propose(self, change: Change, part: ChangePart) -> None:
        """Set the attributes that announce a scheduled change to devices that read them."""
        if change.kind == "tenancy":
            self._write_tenancy(change, part.fuel)
            return
        self._write(part.fuel, PROPOSED_ID, part.provider_id)
        self._write(part.fuel, PROPOSED_NAME, part.provider_name)
        self._write(part.fuel, PROPOSED_CONTACT, part.provider_contact)
        self._write(part.fuel, PROPOSED_TIME, to_utc2000(change.takes_effect))
        self._write(part.fuel, PROPOSED_CONTROL, change.control)

    def settle(self, change: Change, part: ChangePart) -> None:
        """Set the new provider of a change that is done, and clear the announcement."""
        if change.kind == "tenancy":
            self._write_tenancy(change, part.fuel)
            return
        self._write(part.fuel, PROVIDER_ID, part.provider_id)
        self._write(part.fuel, PROVIDER_NAME, part.provider_name)
        self._write(part.fuel, PROVIDER_CONTACT, part.provider_contact)
        self._withdraw_supplier(part.fuel)

    def cancel(self, change: Change, part: ChangePart) -> None:
        """Note the numbers that devices are told are cancelled, when they ask, after a change is done."""
        endpoint, withdrawn = ENDPOINTS[part.fuel][0], dict(part.withdrawn)
        if change.control & Control.CLEAR_IHD_DATA_CONSUMER:
            body = {"implementation_date_time": to_utc2000(change.takes_effect)}
            self._household.add(endpoint, "message_cancellations", change.at, body)
        for what, table, name, kind_name in (
            (TARIFFS, "tariff_cancellations", "issuer_tariff_id", "tariff_type"),
            (CALENDARS, "calendar_cancellations", "issuer_calendar_id", "calendar_type"),
        ):
            for number, kind in withdrawn.get(what, ()):
                body = {"provider_id": part.former_provider_id, name: number, kind_name: kind}
                self._household.add(endpoint, table, change.at, body)

    def withdraw(self, change: Change, part: ChangePart, former: Change | None) -> None:
        """Clear the announcement of a cancelled change; ``former``: the last of its kind that was done."""
        if change.kind == "supplier":
            self._withdraw_supplier(part.fuel)
        elif former is not None:
            self._write_tenancy(former, part.fuel)
        else:
            self._neutral(part.fuel, TENANCY_TIME, TENANCY_CONTROL)

    def _write_tenancy(self, change: Change, fuel: Fuel) -> None:
        self._write(fuel, TENANCY_TIME, to_utc2000(change.takes_effect))
        self._write(fuel, TENANCY_CONTROL, told(change.kind, change.control))

    def _withdraw_supplier(self, fuel: Fuel) -> None:
        self._neutral(fuel, PROPOSED_ID, PROPOSED_NAME, PROPOSED_CONTACT, PROPOSED_TIME, PROPOSED_CONTROL)

    def _write(self, fuel: Fuel, attribute: int, value: int | str) -> None:
        entry = catalogue.ATTRIBUTES[DEVICE_MANAGEMENT, attribute]
        serialized: bytes = entry.type(value.encode() if isinstance(value, str) else value).serialize()
        self._put(fuel, attribute, serialized)

    def _neutral(self, fuel: Fuel, *attributes: int) -> None:
        for attribute in attributes:
            self._put(fuel, attribute, catalogue.ATTRIBUTES[DEVICE_MANAGEMENT, attribute].neutral)

    def _put(self, fuel: Fuel, attribute: int, value: bytes) -> None:
        entry = catalogue.ATTRIBUTES[DEVICE_MANAGEMENT, attribute]
        self._household.write(ENDPOINTS[fuel][0], (DEVICE_MANAGEMENT, attribute), entry.data_type, value)
