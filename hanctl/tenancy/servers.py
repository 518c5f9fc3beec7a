"""Cluster servers of changes: Device Management on the hub's endpoints, and the client side of Events."""

from __future__ import annotations

from collections.abc import Mapping

from hanctl.han.cluster import Attribute, DefaultReply, Reply, Request, Status
from hanctl.ledger.household import Household
from hanctl.radio.endpoints import DEVICE_MANAGEMENT, EVENTS
from hanctl.tenancy.tenancy import Tenancy


class DeviceManagementServer:
    cluster = DEVICE_MANAGEMENT

    def __init__(self, endpoint: int, household: Household, tenancy: Tenancy) -> None:
        self.endpoint = endpoint
        self._household = household
        self._tenancy = tenancy

    def attributes(self) -> Mapping[int, Attribute]:
        return {
            number: Attribute(stored.data_type, stored.value)
            for number, stored in self._household.read(self.endpoint, self.cluster).items()
            if stored.value is not None
        }

    def handle(self, request: Request) -> Reply | DefaultReply:
        return self._tenancy.answer_query(request) or DefaultReply(Status.UNSUP_COMMAND)


class EventsServer:
    cluster = EVENTS

    def __init__(self, endpoint: int, tenancy: Tenancy) -> None:
        self.endpoint = endpoint
        self._tenancy = tenancy

    def attributes(self) -> Mapping[int, Attribute]:
        return {}

    def handle(self, request: Request) -> DefaultReply:
        return self._tenancy.take_event(request) if request.from_server else DefaultReply(Status.UNSUP_COMMAND)
