"""Answer the foundation commands: read, write, discover and report attributes of a cluster server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from hanctl.base.eui64 import Eui64
from hanctl.han import reporting, zcl
from hanctl.han.cluster import AttributeStore, ClusterServer, ServedAttribute, Status
from hanctl.han.zcl import AttributeWrite, Foundation, ZclFrame


def answer_foundation(
    server: ClusterServer, request: ZclFrame, device: Eui64, device_endpoint: int
) -> ZclFrame | Status | None:
    """Answer a foundation command; a Status asks for a Default Response, None for silence. Raises MalformedZcl."""
    # Attributes of manufacturers, and of the client side, are none of the hub's.
    attributes = {} if request.manufacturer is not None or request.from_server else server.attributes()
    store = server if isinstance(server, AttributeStore) else None
    match request.command:
        case Foundation.READ_ATTRIBUTES:
            return request.answer(Foundation.READ_ATTRIBUTES_RESPONSE, _read(attributes, request.payload))
        case (
            Foundation.WRITE_ATTRIBUTES
            | Foundation.WRITE_ATTRIBUTES_UNDIVIDED
            | Foundation.WRITE_ATTRIBUTES_NO_RESPONSE
        ):
            records = zcl.parse_write_attributes(request.payload)
            undivided = request.command == Foundation.WRITE_ATTRIBUTES_UNDIVIDED
            failures = _write(attributes, store, device, records, undivided=undivided)
            if request.command == Foundation.WRITE_ATTRIBUTES_NO_RESPONSE:
                return None
            return request.answer(Foundation.WRITE_ATTRIBUTES_RESPONSE, zcl.write_attributes_response(failures))
        case Foundation.CONFIGURE_REPORTING:
            return request.answer(
                Foundation.CONFIGURE_REPORTING_RESPONSE,
                _configure(attributes, store, device, device_endpoint, request.payload),
            )
        case Foundation.READ_REPORTING_CONFIGURATION:
            return request.answer(
                Foundation.READ_REPORTING_CONFIGURATION_RESPONSE,
                _configured(attributes, store, device, request.payload),
            )
        case Foundation.DISCOVER_ATTRIBUTES:
            first, count = zcl.parse_discover_attributes(request.payload)
            wanted = sorted(attribute for attribute in attributes if attribute >= first)
            told = list(islice(wanted, min(count, (zcl.MAX_RESPONSE - 6) // 3)))
            return request.answer(
                Foundation.DISCOVER_ATTRIBUTES_RESPONSE,
                zcl.discover_attributes_response(
                    complete=len(told) == len(wanted),
                    attributes=[(attribute, attributes[attribute].data_type) for attribute in told],
                ),
            )
        case _:
            return Status.UNSUP_COMMAND


def _read(attributes: Mapping[int, ServedAttribute], payload: bytes) -> bytes:
    answers = bytearray()
    room = zcl.MAX_RESPONSE - 5
    for attribute in zcl.parse_read_attributes(payload):
        found = attributes.get(attribute)
        if found is None:
            record = zcl.AttributeAnswer(attribute, Status.UNSUPPORTED_ATTRIBUTE).serialize()
        else:
            record = zcl.AttributeAnswer(attribute, Status.SUCCESS, found.data_type, found.value).serialize()
            if len(answers) + len(record) > room:
                record = zcl.AttributeAnswer(attribute, Status.INSUFFICIENT_SPACE).serialize()
        if len(answers) + len(record) > room:
            break
        answers += record
    return bytes(answers)


def _write(
    attributes: Mapping[int, ServedAttribute],
    store: AttributeStore | None,
    device: Eui64,
    records: list[AttributeWrite],
    *,
    undivided: bool,
) -> list[tuple[int, Status]]:
    """Write attributes. Returns (attribute, status) of those not written; ``undivided``: all are written, or none."""

    def write(record: AttributeWrite, *, check_only: bool) -> Status:
        found = attributes.get(record.attribute)
        if found is None:
            return Status.UNSUPPORTED_ATTRIBUTE
        if not found.writable or store is None:
            return Status.READ_ONLY
        if record.data_type != found.data_type:
            return Status.INVALID_DATA_TYPE
        return store.write(device, record.attribute, record.data_type, record.value, check_only=check_only)

    if undivided:
        failures = _failures((record.attribute, write(record, check_only=True)) for record in records)
        if failures:
            return failures
    return _failures((record.attribute, write(record, check_only=False)) for record in records)


def _failures(outcomes: Iterable[tuple[int, Status]]) -> list[tuple[int, Status]]:
    return [(attribute, status) for attribute, status in outcomes if status is not Status.SUCCESS]


def _configure(
    attributes: Mapping[int, ServedAttribute],
    store: AttributeStore | None,
    device: Eui64,
    device_endpoint: int,
    payload: bytes,
) -> bytes:
    failures: list[tuple[int, Status]] = []
    for wanted in reporting.parse_configure(payload):
        found = attributes.get(wanted.attribute)
        if found is None:
            status = Status.UNSUPPORTED_ATTRIBUTE
        elif wanted.data_type != found.data_type:
            status = Status.INVALID_DATA_TYPE
        elif store is None:
            status = Status.UNREPORTABLE_ATTRIBUTE
        else:
            status = store.configure(device, device_endpoint, wanted)
        if status is not Status.SUCCESS:
            failures.append((wanted.attribute, status))
    return reporting.configure_response(failures)


def _configured(
    attributes: Mapping[int, ServedAttribute], store: AttributeStore | None, device: Eui64, payload: bytes
) -> bytes:
    records = bytearray()
    for attribute in reporting.parse_read_configuration(payload):
        found = None if store is None else store.configured(device, attribute)
        if found is not None:
            record = reporting.configuration_record(found)
        else:
            status = Status.NOT_FOUND if attribute in attributes else Status.UNSUPPORTED_ATTRIBUTE
            record = reporting.no_configuration(attribute, status)
        if len(records) + len(record) > zcl.MAX_RESPONSE - 5:
            break
        records += record
    return bytes(records)
