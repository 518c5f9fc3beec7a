"""Deliberate faults, one at a time, each of which a check must notice.

A check that passes on sound code and on broken code proves nothing. Here every fault is put into the source of one
function, and the check named beside it must fail; without a fault, every check must pass.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import pytest
from trust_bench import (
    DISPLAY,
    HUB,
    ISSUED_AT,
    VECTORS,
    Wire,
    authority,
    bench_wire,
    issued,
    published_value,
    published_wire,
    stranger_authority,
)

import hanctl.crypto.curve
import hanctl.crypto.ecmqv
import hanctl.crypto.ecqv
import hanctl.crypto.field
import hanctl.crypto.kdf
import hanctl.crypto.mmo
import hanctl.crypto.smac
import hanctl.trust.certificate
import hanctl.trust.credentials
import hanctl.trust.establishment.exchange
import hanctl.trust.establishment.initiator
import hanctl.trust.establishment.responder
import hanctl.trust.jobs
from hanctl.base.eui64 import Eui64
from hanctl.crypto.curve import SECT163K1, SECT283K1, Point, PointLowOrder, PointOffCurve
from hanctl.crypto.suites import SUITES
from hanctl.trust.credentials import Credentials, KeyMismatch, credentials_of
from hanctl.trust.establishment.exchange import Reason
from hanctl.trust.establishment.key_establishment import KeyEstablishmentEngine
from hanctl.trust.establishment.messages import Confirm, Ephemeral, EstablishmentCommand, TerminateStatus

Check = Callable[[], None]


def published_exchanges() -> None:
    """Both suites, both roles, every published value."""
    for suite in SUITES:
        wire = published_wire(suite)
        wire.start(suite)
        for side, name in ((wire.display, "U"), (wire.hub, "V")):
            assert [send.payload for send in side.sent[1:]] == [
                published_value(suite, f"Qe{name}"),
                published_value(suite, f"mac{name}"),
            ]
            assert side.key == published_value(suite, "key_data")


def bad_points_are_refused() -> None:
    for curve, poison in ((SECT163K1, Point(0, 1)), (SECT283K1, Point(1, 0)), (SECT283K1, Point(0, 1))):
        mixed = curve.compress(curve.add(curve.generator, poison))
        with pytest.raises(PointLowOrder):
            curve.decompress(mixed)
        with pytest.raises(PointOffCurve):
            curve.validate(Point(curve.generator.x, curve.generator.y ^ 1))


def display_with(credentials: Credentials) -> Wire:
    wire = Wire(KeyEstablishmentEngine([issued(HUB)]), KeyEstablishmentEngine([credentials]))
    wire.start()
    return wire


def anothers_certificate_is_refused() -> None:
    wire = display_with(issued(Eui64("00:db:12:34:56:78:00:a2")))
    assert wire.hub.terminates == [TerminateStatus.BAD_MESSAGE]


def another_issuer_is_refused() -> None:
    wire = display_with(stranger_authority(False).issue(DISPLAY, valid_from=ISSUED_AT))
    assert wire.hub.terminates == [TerminateStatus.UNKNOWN_ISSUER]


def a_certificate_for_something_else_is_refused() -> None:
    raw = bytearray(issued(DISPLAY).certificate.raw)
    raw[36] = 0x80
    certificate = replace(issued(DISPLAY).certificate, raw=bytes(raw))
    wire = display_with(replace(issued(DISPLAY), certificate=certificate))
    assert wire.hub.terminates == [TerminateStatus.INVALID_CERTIFICATE]


def a_wrong_code_gets_no_key() -> None:
    for by_hub in (True, False):
        wire = bench_wire()
        sender = wire.hub if by_hub else wire.display
        sender.tamper = lambda send: (
            (replace(send, message=Confirm(bytes(16))),) if isinstance(send.message, Confirm) else (send,)
        )
        wire.start()
        wire.pass_time(13)
        assert not wire.other(sender).established
        assert wire.other(sender).terminates == [TerminateStatus.BAD_KEY_CONFIRM]


def there_is_no_key_before_the_confirmation() -> None:
    wire = bench_wire()
    wire.display.tamper = lambda send: () if isinstance(send.message, Confirm) else (send,)
    wire.start()
    assert not wire.hub.established


def repeated_messages_do_no_harm() -> None:
    wire = bench_wire()
    wire.hub.tamper = wire.display.tamper = lambda send: (send, send)
    wire.start()
    assert wire.hub.key == wire.display.key
    assert not wire.hub.failed and not wire.display.failed


def every_ephemeral_key_is_new() -> None:
    wire = bench_wire()
    for _ in range(2):
        wire.start()
        wire.pass_time(6)
    for side in (wire.hub, wire.display):
        sent = [send.payload for send in side.sent if send.command is EstablishmentCommand.EPHEMERAL]
        assert len(sent) == len(set(sent)) == 2


def silence_ends_when_it_should() -> None:
    wire = bench_wire()
    wire.display.tamper = lambda send: () if isinstance(send.message, Ephemeral) else (send,)
    wire.start()
    wire.pass_time(12.9)
    assert not wire.hub.failed
    wire.pass_time(0.2)
    assert [failed.reason for failed in wire.hub.failed] == [Reason.TIMED_OUT]


def who_sent_something_wrong_waits() -> None:
    wire = bench_wire()
    wire.display.tamper = lambda send: (
        (replace(send, message=Confirm(bytes(16))),) if isinstance(send.message, Confirm) else (send,)
    )
    wire.start()
    wire.display.engine.cancel(HUB, wire.now)
    wire.start()
    assert wire.hub.terminates == [TerminateStatus.BAD_KEY_CONFIRM, TerminateStatus.NO_RESOURCES]


def keys_that_do_not_fit_are_refused() -> None:
    device = VECTORS["test_devices"][2]
    wrong = int(device["private_key"], 16) + 1
    with pytest.raises(KeyMismatch):
        credentials_of(bytes.fromhex(device["cert"]), wrong.to_bytes(36, "big"), bytes.fromhex(device["ca"]))


def new_certificates_verify() -> None:
    device = VECTORS["test_devices"][2]
    credentials_of(*(bytes.fromhex(device[name]) for name in ("cert", "private_key", "ca")))
    authority().issue(DISPLAY, valid_from=ISSUED_AT)


@dataclass(frozen=True)
class Fault:
    """``old`` in the source of ``function`` becomes ``new``; ``importers`` hold the function under its own name."""

    name: str
    module: ModuleType
    function: str
    old: str
    new: str
    check: Check
    importers: tuple[ModuleType, ...] = ()


_JOBS = (hanctl.trust.jobs,)
_ROLES = (hanctl.trust.establishment.responder, hanctl.trust.establishment.initiator)

ARITHMETIC = [
    Fault(
        "a tap of the field's polynomial is wrong",
        hanctl.crypto.field,
        "BinaryField.reduce",
        "^ high << c)",
        "^ high << (c + 1))",
        published_exchanges,
    ),
    Fault(
        "the ladder doubles the wrong one of its pair",
        hanctl.crypto.curve,
        "Curve._ladder",
        "pair[bit], pair[1 - bit]",
        "pair[1 - bit], pair[bit]",
        published_exchanges,
    ),
    Fault(
        "y is recovered without its last term",
        hanctl.crypto.curve,
        "Curve._recovered",
        "bracket) ^ point.y)",
        "bracket))",
        published_exchanges,
    ),
    Fault(
        "associate values have a bit less",
        *(
            hanctl.crypto.ecmqv,
            "associate_value",
            "point.x % (1 << suite.associate_bits)",
            "point.x % (1 << suite.associate_bits - 1)",
        ),
        published_exchanges,
    ),
    Fault(
        "the cofactor is left out",
        hanctl.crypto.ecmqv,
        "shared_secret",
        "curve.cofactor.bit_length() - 1",
        "0",
        published_exchanges,
        _JOBS,
    ),
    Fault(
        "the secret loses its leading octet",
        hanctl.crypto.ecmqv,
        "shared_secret",
        '"big")',
        '"big")[1:]',
        published_exchanges,
        _JOBS,
    ),
    Fault(
        "key derivation counts from nought",
        hanctl.crypto.kdf,
        "derive_keys",
        "(1, 2)",
        "(0, 1)",
        published_exchanges,
        _JOBS,
    ),
    Fault(
        "both codes have the responder's tag",
        hanctl.crypto.smac,
        "initiator_smac",
        "_INITIATOR",
        "_RESPONDER",
        published_exchanges,
        _JOBS,
    ),
    Fault(
        "codes cover the ephemeral keys in the wrong order",
        hanctl.crypto.smac,
        "_smac",
        "sender.ephemeral + receiver.ephemeral",
        "receiver.ephemeral + sender.ephemeral",
        published_exchanges,
    ),
    Fault(
        "HMAC's outer padding is the inner one",
        hanctl.crypto.mmo,
        "mmo_hmac",
        "0x5C",
        "0x36",
        published_exchanges,
        (hanctl.crypto.smac,),
    ),
    Fault(
        "a certificate's hash is read backwards",
        hanctl.crypto.ecqv,
        "certificate_scalar",
        '"big"',
        '"little"',
        new_certificates_verify,
    ),
    Fault(
        "the issuer's key is left out of public keys",
        hanctl.crypto.ecqv,
        "public_key",
        "curve.add(scaled, issuer_key)",
        "scaled",
        published_exchanges,
        (hanctl.trust.certificate,),
    ),
    Fault(
        "points off the curve are taken",
        hanctl.crypto.curve,
        "Curve.on_curve",
        "left ==",
        "True or left ==",
        bad_points_are_refused,
    ),
    Fault(
        "a point is halved only once",
        hanctl.crypto.curve,
        "Curve.in_subgroup",
        "self.cofactor == 2",
        "True",
        bad_points_are_refused,
    ),
    Fault(
        "points of low order are taken",
        hanctl.crypto.curve,
        "Curve.validate",
        "not self.in_subgroup(point)",
        "False",
        bad_points_are_refused,
    ),
]

PROTOCOL = [
    Fault(
        "the subject is not compared with the sender",
        hanctl.trust.establishment.exchange,
        "check_partner",
        "certificate.subject != partner",
        "False",
        anothers_certificate_is_refused,
        _ROLES,
    ),
    Fault(
        "the issuer is not compared",
        hanctl.trust.establishment.exchange,
        "check_partner",
        "certificate.issuer != own.certificate.issuer",
        "False",
        another_issuer_is_refused,
        _ROLES,
    ),
    Fault(
        "a certificate's purpose is not looked at",
        hanctl.trust.establishment.exchange,
        "check_partner",
        "certificate.check_fields()",
        "pass",
        a_certificate_for_something_else_is_refused,
        _ROLES,
    ),
    Fault(
        "the responder takes any code",
        hanctl.trust.establishment.responder,
        "Responder._confirm",
        "not hmac.compare_digest(message.smac, agreed.initiator_smac)",
        "False",
        a_wrong_code_gets_no_key,
    ),
    Fault(
        "the initiator takes any code",
        hanctl.trust.establishment.initiator,
        "Initiator._confirm",
        "not hmac.compare_digest(message.smac, agreed.responder_smac)",
        "False",
        a_wrong_code_gets_no_key,
    ),
    Fault(
        "the key is reported before it is confirmed",
        hanctl.trust.establishment.responder,
        "Responder._computed",
        "return [self._answered(EstablishmentCommand.EPHEMERAL",
        "return [*self._established(result.key, now), self._answered(EstablishmentCommand.EPHEMERAL",
        there_is_no_key_before_the_confirmation,
    ),
    Fault(
        "repeated messages are not known again",
        hanctl.trust.establishment.exchange,
        "KeyExchange.knows",
        "self._seen.get(command) == payload",
        "False",
        repeated_messages_do_no_harm,
    ),
    Fault(
        "an ephemeral key is used twice",
        hanctl.trust.jobs,
        "EphemeralPair.generate",
        "suite.curve.random_scalar(below)",
        "4711",
        every_ephemeral_key_is_new,
    ),
    Fault(
        "the seconds advertised are not waited for",
        hanctl.trust.establishment.exchange,
        "KeyExchange._wait",
        "self._settings.base + advertised",
        "self._settings.base",
        silence_ends_when_it_should,
    ),
    Fault(
        "silence is waited out for ever",
        hanctl.trust.establishment.exchange,
        "KeyExchange.tick",
        "now < self.deadline",
        "True",
        silence_ends_when_it_should,
    ),
    Fault(
        "who sent something wrong is served at once",
        hanctl.trust.establishment.exchange,
        "KeyExchange.refuse",
        "self.refused = True",
        "pass",
        who_sent_something_wrong_waits,
    ),
    Fault(
        "keys are not checked against the certificate",
        hanctl.trust.credentials,
        "_check_keys",
        "own_octets == reconstructed_octets",
        "True",
        keys_that_do_not_fit_are_refused,
    ),
]

FAULTS = ARITHMETIC + PROTOCOL


def commit(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the fault in."""
    owner: Any = fault.module
    *path, name = fault.function.split(".")
    for step in path:
        owner = getattr(owner, step)
    source = textwrap.dedent(inspect.getsource(getattr(owner, name)))
    assert source.count(fault.old) == 1, "the fault names its place unambiguously"
    # Built under a name of its own, so that the module's own function is there again afterwards.
    scope = dict(vars(fault.module))
    exec(compile(source.replace(fault.old, fault.new), f"<{fault.name}>", "exec"), scope)
    broken = scope[name]
    monkeypatch.setattr(owner, name, broken)
    for importer in fault.importers:
        assert hasattr(importer, name)
        monkeypatch.setattr(importer, name, broken)


@pytest.fixture(autouse=True)
def sound_credentials() -> None:
    """What the checks need of certificates is made by sound code, before any fault."""
    for eui64 in (HUB, DISPLAY, Eui64("00:db:12:34:56:78:00:a2")):
        issued(eui64)
    stranger_authority(False)
    for suite in SUITES:
        published_wire(suite)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_sound_code_put_in_the_same_way_passes(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(replace(fault, new=fault.old), monkeypatch)
    fault.check()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_noticed(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(fault, monkeypatch)
    try:
        fault.check()
    except (Exception, pytest.fail.Exception):
        return
    pytest.fail(f"{fault.check.__name__} passes although {fault.name}")


def test_there_are_ten_of_each_kind() -> None:
    assert len(ARITHMETIC) >= 10 and len(PROTOCOL) >= 10
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
