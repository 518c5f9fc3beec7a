"""Load the hub's own certificates from the configured files; each fits one dongle only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hanctl.base.errors import ConfigError, Refused
from hanctl.base.eui64 import Eui64
from hanctl.trust.credentials import Credentials, load_credentials
from hanctl.trust.keyfile import check_private


class CertificateNotForDongle(Refused):
    """The certificate names another address than the dongle's."""

    code = "certificate-not-for-dongle"


def load_hub_credentials(files: Sequence[Path]) -> list[Credentials]:
    """Load the credentials in these files: at most one per suite, all of one subject.

    Raises NotFound, KeyFileError, CertificateError, ConfigError.
    """
    for path in files:
        check_private(path)
    loaded = [load_credentials(path) for path in files]
    if len({each.suite for each in loaded}) < len(loaded):
        raise ConfigError("two certificates are of the same suite", "give one for each suite ([trust] certificate)")
    subjects = {each.subject for each in loaded}
    if len(subjects) > 1:
        raise ConfigError(
            f"the certificates name different subjects: {', '.join(sorted(subjects))}",
            "all must name the dongle's EUI64 ([trust] certificate)",
        )
    return loaded


def check_subject(credentials: Credentials, dongle: Eui64) -> None:
    """Raise CertificateNotForDongle unless the certificate names the dongle's EUI64."""
    if credentials.subject != dongle:
        raise CertificateNotForDongle(
            f"the certificate is for {credentials.subject}, but the hub's dongle is {dongle}: devices compare the two, "
            "and would refuse it",
            f"get a certificate for {dongle}, or use the dongle {credentials.subject}",
        )
