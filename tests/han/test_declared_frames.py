"""What update and key establishment write and read by themselves against the declared commands, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
import zigpy.types as t
from hypothesis import given
from hypothesis import strategies as st
from ota_responses import decode_response
from zigpy.zcl.clusters import general

from hanctl.crypto.suites import SUITES, Suite
from hanctl.han.errors import MalformedZcl
from hanctl.han.smart_energy.clusters import CLUSTERS, pack, read
from hanctl.han.smart_energy.keep_alive import KeepAlive
from hanctl.han.smart_energy.key_establishment import KeyEstablishment
from hanctl.han.smart_energy.ota_upgrade import OtaUpgrade
from hanctl.han.smart_energy.time import Time
from hanctl.trust.establishment.messages import (
    SUITE_ATTRIBUTE,
    Confirm,
    Ephemeral,
    Initiate,
    Message,
    Terminate,
    command_of,
    decode,
    encode,
)
from hanctl.updates.serving import ota

ADDRESS = t.EUI64.convert("00:0d:6f:00:0a:90:69:e7")
u8, u16, u32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32))
IMAGE = {"manufacturer_code": u16, "image_type": u16, "file_version": u32}
BLOCK = {**IMAGE, "file_offset": u32, "max_data_size": u8}
PAGE = {**BLOCK, "page_size": u16, "response_spacing": u16}
FOUND = {"status": st.just(0), **IMAGE, "image_size": u32}
QUERY = {"manufacturer_code": u16, "image_type": u16, "current_file_version": u32}
NOTICE = {"query_jitter": u8, "manufacturer_code": u16, "image_type": u16, "new_file_version": u32}
ADDRESSED = {"request_node_address": st.just(ADDRESS)}
PERIOD = {"minimum_block_period": u16}
TIMES = {"current_time": u32, "request_time": u32}
FAILURES = st.sampled_from([0x95, 0x96, 0x98, 0x99])

REQUESTS: list[tuple[int, dict[str, Any]]] = [
    (0x01, {"field_control": st.just(0), **QUERY}),
    (0x01, {"field_control": st.just(1), **QUERY, "hardware_version": u16}),
    (0x03, {"field_control": st.just(0), **BLOCK}),
    (0x03, {"field_control": st.just(1), **BLOCK, **ADDRESSED}),
    (0x03, {"field_control": st.just(2), **BLOCK, **PERIOD}),
    (0x03, {"field_control": st.just(3), **BLOCK, **ADDRESSED, **PERIOD}),
    (0x04, {"field_control": st.just(0), **PAGE}),
    (0x04, {"field_control": st.just(1), **PAGE, **ADDRESSED}),
    (0x06, {"status": st.just(0), **IMAGE}),
    (0x06, {"status": FAILURES}),
    (0x08, {**ADDRESSED, **IMAGE, "current_zigbee_stack_version": u16}),
]
RESPONSES: list[tuple[int, dict[str, Any]]] = [
    *((0x00, {"payload_type": st.just(n), **dict(list(NOTICE.items())[: n + 1])}) for n in range(4)),
    (0x02, FOUND),
    (0x02, {"status": FAILURES}),
    (0x05, {"status": st.just(0x97), **TIMES}),
    (0x05, {"status": st.just(0x97), **TIMES, **PERIOD}),
    (0x05, {"status": FAILURES}),
    (0x07, {**IMAGE, "current_time": u32, "upgrade_time": u32}),
    (0x09, FOUND),
    (0x09, {"status": FAILURES}),
]


def declared(definitions: Any, command: int) -> Any:
    return next(each for each in definitions if int(each.id) == command)


def test_the_suite_is_asked_for_by_its_declared_id() -> None:
    assert {int(each.id) for each in KeyEstablishment.AttributeDefs} == {SUITE_ATTRIBUTE}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Time.AttributeDefs, general.Time),
        (KeepAlive.AttributeDefs, general.KeepAlive),
        (OtaUpgrade.ClientAttributeDefs, general.Ota),
    ],
    ids=["time", "keep-alive", "ota"],
)
def test_attributes_have_the_ids_and_types_that_zigpy_has(ours: Any, theirs: Any) -> None:
    every_cluster_has = {0xFFFD, 0xFFFE}
    types = {int(each.id): int(each.zcl_type) for each in theirs.AttributeDefs}
    assert {int(each.id): int(each.zcl_type) for each in ours} == {
        number: data_type for number, data_type in types.items() if number not in every_cluster_has
    }


OF_ZIGPY = {
    "max_data_size": "maximum_data_size",
    "request_node_address": "request_node_addr",
    "data": "image_data",
}
"""Where zigpy calls a field something else."""


def test_zigpy_declares_the_same_commands() -> None:
    for ours, theirs in (
        (OtaUpgrade.ServerCommandDefs, general.Ota.ServerCommandDefs),
        (OtaUpgrade.ClientCommandDefs, general.Ota.ClientCommandDefs),
    ):
        assert {int(each.id): [OF_ZIGPY.get(f.name, f.name) for f in each.schema.fields] for each in ours} == {
            int(each.id): [field.name for field in each.schema.fields] for each in theirs
        }


@pytest.mark.parametrize(("command", "form"), REQUESTS)
@given(data=st.data())
def test_ota_requests(command: int, form: dict[str, Any], data: st.DataObject) -> None:
    _same(OtaUpgrade.ServerCommandDefs, general.Ota.ServerCommandDefs, command, form, data, ota.decode_request)


@pytest.mark.parametrize(("command", "form"), RESPONSES)
@given(data=st.data())
def test_ota_responses(command: int, form: dict[str, Any], data: st.DataObject) -> None:
    _same(OtaUpgrade.ClientCommandDefs, general.Ota.ClientCommandDefs, command, form, data, decode_response)


def _same(ours: Any, theirs: Any, command: int, form: dict[str, Any], data: st.DataObject, decoder: Any) -> None:
    """Whether the frame is written and read as declared, and zigpy writes the same bytes for the same fields."""
    declaration = declared(ours, command)
    values = {name: data.draw(values) for name, values in form.items()}
    payload = pack(declaration, **values)
    got = decoder(command, payload)
    for field in declaration.schema.fields:
        assert getattr(got, field.name) == values.get(field.name)
    if any(
        field.optional and (field.requires is None or field.requires(got))
        for field in declaration.schema.fields
        if field.name not in values
    ):
        # Some clients leave these out, which zigpy does not know.
        return
    of_zigpy = {OF_ZIGPY.get(name, name): value for name, value in values.items()}
    assert declared(theirs, command).schema(**of_zigpy).serialize() == payload


@given(u16, u16, u32, u32, st.binary(max_size=254))
def test_the_block_that_is_packed_for_speed(
    manufacturer: int, image_type: int, version: int, offset: int, block: bytes
) -> None:
    command = OtaUpgrade.ClientCommandDefs.image_block_response
    image = ota.QueryNextImageResponse(
        status=0, manufacturer_code=manufacturer, image_type=image_type, file_version=version, image_size=0
    )
    payload = ota.image_block(image, offset, block)
    fields = {
        "status": 0,
        "manufacturer_code": manufacturer,
        "image_type": image_type,
        "file_version": version,
        "file_offset": offset,
        "data": block,
    }
    assert pack(command, **fields) == payload
    assert decode_response(0x05, payload) == ota.ImageBlockResponse(**fields)


@pytest.mark.parametrize("period", [None, 0, 5, 0xFFFF])
def test_the_wait_that_is_packed_for_speed(period: int | None) -> None:
    fields = read(OtaUpgrade.ClientCommandDefs.image_block_response, ota.wait_for_data(60, period))
    assert (fields.status, fields.current_time, fields.request_time) == (0x97, 0, 60)
    assert fields.minimum_block_period == period


@given(st.integers(0, 255), st.binary(max_size=40))
def test_the_block_request_that_is_read_for_speed(flags: int, rest: bytes) -> None:
    payload = bytes([flags]) + rest
    try:
        got = ota.read_block_request(payload)
    except ota.OtaFrameError:
        # By declaration a client may leave out what it announced; by the fast way only with the size before it.
        assert len(payload) < 14 or len(payload) < 14 + 8 * (flags & 1) + (flags & 2)
        return
    fields = ota.decode_request(0x03, payload)
    assert got == tuple(getattr(fields, name) for name in got._fields)


# --- key establishment

INITIATE = ["ephemeral_data_generate_time", "confirm_key_generate_time", "identity"]


def exchange(suite: Suite) -> list[tuple[Message, dict[str, Any]]]:
    """Each message of an exchange and the fields that it is declared to have, but for the name of its suite's."""
    certificate = bytes(range(suite.certificate_size))
    key = bytes(range(100, 100 + suite.public_key_size))
    code = bytes(range(200, 216))
    return [
        (Initiate(suite, 11, 16, certificate), dict(zip(INITIATE, (11, 16, certificate), strict=True))),
        (Ephemeral(key), {"ephemeral_data": key}),
        (Confirm(code), {"secure_message_authentication_code": list(code)}),
        (Terminate(3, 30, suite.bit), {"status_code": 3, "wait_time": 30}),
    ]


@pytest.mark.parametrize("suite", SUITES, ids=str)
@pytest.mark.parametrize("from_server", [False, True])
def test_key_establishment(suite: Suite, from_server: bool) -> None:
    definitions = KeyEstablishment.ClientCommandDefs if from_server else KeyEstablishment.ServerCommandDefs
    messages = exchange(suite)
    assert len(messages) == len(list(definitions))
    for message, fields in messages:
        command = declared(definitions, command_of(message))
        (missing,) = {field.name for field in command.schema.fields} - fields.keys() or {None}
        if missing is not None:
            assert missing.endswith("key_establishment_suite")
            fields[missing] = suite.bit
        payload = pack(command, **fields)
        assert payload == encode(message)
        assert decode(command.id, payload, suite) == message
        assert read(command, payload).as_dict() == fields


@pytest.mark.parametrize(("cluster", "command", "size"), [(0x0800, 0x02, 15), (0x0800, 0x03, 3), (0x0019, 0x03, 12)])
def test_a_payload_that_is_too_short_is_not_read(cluster: int, command: int, size: int) -> None:
    with pytest.raises(MalformedZcl):
        read(declared(CLUSTERS[cluster].ServerCommandDefs, command), bytes(size))


@given(st.sampled_from([0x0019, 0x0800]), st.integers(0, 9), st.booleans(), st.binary(max_size=90))
def test_any_bytes_are_fields_or_the_one_error(cluster: int, command: int, from_server: bool, payload: bytes) -> None:
    definitions = CLUSTERS[cluster].ClientCommandDefs if from_server else CLUSTERS[cluster].ServerCommandDefs
    for each in definitions:
        if int(each.id) == command:
            try:
                fields = read(each, payload)
            except MalformedZcl:
                continue
            assert payload.startswith(fields.serialize())
