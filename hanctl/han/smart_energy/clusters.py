"""The declared clusters by id, and how their commands are packed and read, and their attributes served."""

from __future__ import annotations

from typing import Any

from zigpy.zcl.foundation import ZCLAttributeDef, ZCLCommandDef

from hanctl.han.cluster import ServedAttribute
from hanctl.han.errors import MalformedZcl
from hanctl.han.smart_energy.calendar import Calendar
from hanctl.han.smart_energy.definitions import SmartEnergyCluster
from hanctl.han.smart_energy.device_management import DeviceManagement
from hanctl.han.smart_energy.events import Events
from hanctl.han.smart_energy.keep_alive import KeepAlive
from hanctl.han.smart_energy.key_establishment import KeyEstablishment
from hanctl.han.smart_energy.messaging import Messaging
from hanctl.han.smart_energy.metering import Metering
from hanctl.han.smart_energy.ota_upgrade import OtaUpgrade
from hanctl.han.smart_energy.prepayment import Prepayment
from hanctl.han.smart_energy.price import Price
from hanctl.han.smart_energy.time import Time

DATA_CLUSTERS: dict[int, type[SmartEnergyCluster]] = {
    int(cluster.cluster_id): cluster
    for cluster in (Price, Metering, Messaging, Prepayment, Calendar, DeviceManagement, Events)
}
"""Those whose attributes and tables the hub stores: the household's."""

CLUSTERS: dict[int, type[SmartEnergyCluster]] = DATA_CLUSTERS | {
    int(cluster.cluster_id): cluster for cluster in (Time, OtaUpgrade, KeepAlive, KeyEstablishment)
}
"""All that are declared."""

DATA_ATTRIBUTES: dict[tuple[int, int], ZCLAttributeDef] = {
    (number, int(definition.id)): definition
    for number, cluster in DATA_CLUSTERS.items()
    for definition in sorted(cluster.AttributeDefs, key=lambda definition: int(definition.id))
}
"""Every attribute of the data clusters' server sides by (cluster, attribute id), in that order."""


def served(cluster: type[SmartEnergyCluster], **values: Any) -> dict[int, ServedAttribute]:
    """Return attributes of the cluster's server side, given by name, as their ids, types and serialized values."""
    definitions = [getattr(cluster.AttributeDefs, name) for name in values]
    return {
        int(each.id): ServedAttribute(int(each.zcl_type), each.type(values[each.name]).serialize())
        for each in definitions
    }


def pack(command: ZCLCommandDef, **fields: Any) -> bytes:
    """Return the payload of a command. Structures may be given as dicts, lists of them as lists.

    Raises ValueError for a field that is missing or does not fit its type.
    """
    return bytes(made(command.schema, fields).serialize())


def made(kind: Any, given: Any) -> Any:
    """Convert plain Python values to a value of a zigpy type."""
    if isinstance(given, dict):
        return kind(**{field.name: made(field.type, given[field.name]) for field in kind.fields if field.name in given})
    if isinstance(given, list):
        return kind([made(kind._item_type, item) for item in given])
    return given


def read(command: ZCLCommandDef, payload: bytes) -> Any:
    """Read the fields of a command. Trailing fields of later revisions may be absent (None); unknown ones are ignored.

    Raises MalformedZcl.
    """
    try:
        fields, _ = command.schema.deserialize(payload)
    except ValueError as error:
        raise MalformedZcl(f"{command.name} cannot be read: {error}") from None
    return fields
