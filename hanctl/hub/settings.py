"""Build the settings of the hub's parts from sections of the configuration, at a start and at a reload."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hanctl.base.errors import ConfigError, NotFound
from hanctl.config.sections import FirmwareSection, OtaSection, TrustSection, UpdatesSection, WebhookSection
from hanctl.images.image_check import SignatureChecker
from hanctl.ledger.clock_watch import ClockWatch
from hanctl.trust.credentials import Credentials
from hanctl.trust.hub_certificate import load_hub_credentials
from hanctl.updates.life.gates import Rules
from hanctl.updates.serving.delivery import DeliverySettings


def signature_checker(firmware: FirmwareSection) -> SignatureChecker:
    """Build the signature checker from the files of authorities and suppliers. Raises as ``SignatureChecker.load``."""
    with _files_of("[firmware]", "signature_roots and supplier_certificates"):
        return SignatureChecker.load(
            firmware.signatures, firmware.signature_roots, firmware.signers, firmware.supplier_certificates
        )


def hub_credentials(trust: TrustSection | None) -> list[Credentials]:
    """Read the hub's certificates. Raises as ``load_hub_credentials``, and ConfigError."""
    if trust is None:
        return []
    with _files_of("[trust]", "certificate"):
        return load_hub_credentials(trust.certificate)


@contextmanager
def _files_of(section: str, keys: str) -> Iterator[None]:
    """Make a file that is not there an error of its section. The path may be a secret in the wrong place: unsaid."""
    try:
        yield
    except NotFound as error:
        raise ConfigError(f"a file that {section} names does not exist", f"check {keys}") from error


def delivery(ota: OtaSection) -> DeliverySettings:
    return DeliverySettings(block_period_ms=ota.block_period_ms, busy_ms=ota.busy_ms)


def rules(updates: UpdatesSection, watch: ClockWatch) -> Rules:
    return Rules(battery_percent=updates.battery_percent, clock_doubtful=watch.doubtful)


def webhook_secret(webhook: WebhookSection | None) -> bytes:
    """Read the webhook's secret from its file. Raises ConfigError."""
    if webhook is None:
        return b""
    from hanctl.webhook.webhook import read_secret

    return read_secret(webhook.secret_file)
