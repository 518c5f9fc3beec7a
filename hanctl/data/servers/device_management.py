"""Device Management (0x0708): site id, customer number and passwords; changes are answered by who makes them.

Source: comms_hub.md §2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from zigpy.zcl.foundation import ZCLCommandDef

from hanctl.data.servers.base import NOT_FOUND, SUCCESS, Answer, DataServer, Handler, publish, replies
from hanctl.han.cluster import Request
from hanctl.han.smart_energy.device_management import DeviceManagement
from hanctl.han.smart_energy.enumerations import PasswordType
from hanctl.ledger.household import Record

GET = DeviceManagement.ServerCommandDefs
PUBLISH = DeviceManagement.ClientCommandDefs

PASSWORDS = {
    PasswordType.Password1ServiceMenuAccess: "service_passwords",
    PasswordType.Password2ConsumerMenuAccess: "consumer_passwords",
}


class KnownChanges(Protocol):
    """Source of answers about changes of tenancy and supplier. Both methods answer a query of one device."""

    def tenancy_asked(self, request: Request) -> Answer:
        """Answer Get Change of Tenancy: Publish Change of Tenancy, or NOT_FOUND if none is pending."""

    def supplier_asked(self, request: Request) -> Answer:
        """Answer Get Change of Supplier: Publish Change of Supplier, or NOT_FOUND if none is pending."""


class DeviceManagementServer(DataServer):
    """Device Management server. ``changes`` None: no change is pending."""

    cluster = DeviceManagement.cluster_id
    weighed = frozenset({int(GET.get_change_of_tenancy.id), int(GET.get_change_of_supplier.id)})
    changes: KnownChanges | None = None

    def commands(self) -> Iterable[tuple[ZCLCommandDef, Handler]]:
        return (
            (GET.get_change_of_tenancy, self._tenancy),
            (GET.get_change_of_supplier, self._supplier),
            (GET.request_new_password, self._password),
            (GET.get_site_id, self._site_id),
            (GET.report_event_configuration, lambda request, fields: SUCCESS),
            (GET.get_cin, self._customer_number),
        )

    def _tenancy(self, request: Request, fields: Any) -> Answer:
        return NOT_FOUND if self.changes is None else self.changes.tenancy_asked(request)

    def _supplier(self, request: Request, fields: Any) -> Answer:
        return NOT_FOUND if self.changes is None else self.changes.supplier_asked(request)

    def _password(self, request: Request, fields: Any) -> Answer:
        table = PASSWORDS.get(fields.password_type)
        if table is None:
            return NOT_FOUND
        now = self.now()
        valid = [record for record in self.records(table) if _holds(record, now)]
        return replies(
            [
                publish(PUBLISH.request_new_password_response, record, password_type=int(fields.password_type))
                for record in valid[-1:]
            ]
        )

    def _site_id(self, request: Request, fields: Any) -> Answer:
        return replies([publish(PUBLISH.update_site_id, record) for record in self.records("site_ids")[-1:]])

    def _customer_number(self, request: Request, fields: Any) -> Answer:
        return replies([publish(PUBLISH.update_cin, record) for record in self.records("customer_numbers")[-1:]])


def _holds(password: Record, now: int) -> bool:
    """Tell whether the value is still valid; a duration of 0 minutes means until it is changed."""
    minutes = password.body["duration_in_minutes"]
    return not minutes or now <= password.body["implementation_date_time"] + 60 * minutes
