"""Read trusted authorities (names and public keys) from root files.

A root file is what ``hanctl ca show`` prints, with or without ``--json``; for another authority the same is written by
hand. Taken too are the file of a bench authority itself, and a stored certificate, whose issuer is meant.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from hanctl.base.errors import InvalidInput
from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.crypto.curve import Point, PointError
from hanctl.crypto.suites import SUITE_2, SUITES, Suite
from hanctl.trust import authority, credentials
from hanctl.trust.certificate import CertificateError, parse_certificate
from hanctl.trust.keyfile import read_text

_COLUMNS = re.compile(r"\s{2,}")


class RootMalformed(CertificateError):
    """The file does not name an authority and its public key."""

    code = "root-malformed"


@dataclass(frozen=True, slots=True)
class Root:
    """An authority: ``issuer`` is its name in the certificates that it issued."""

    suite: Suite
    issuer: Eui64
    public_key: Point


def load_root(path: Path) -> Root:
    """Load the authority of a file. Raises NotFound, KeyFileError, CertificateError."""
    fields = _fields(read_text(path))
    try:
        if fields.get("kind") == authority.KIND:
            bench = authority.BenchAuthority.load(path)
            return Root(SUITE_2, bench.issuer, bench.public_key)
        if fields.get("kind") == credentials.KIND:
            issuer = parse_certificate(bytes.fromhex(fields["certificate"])).issuer
            octets = bytes.fromhex(fields["authority_key"])
        else:
            issuer, octets = parse_eui64(fields["issuer"]), bytes.fromhex(fields["public_key"])
    except (KeyError, ValueError, InvalidInput):
        raise RootMalformed(
            f"{path} does not name an authority: it must have 'issuer', an EUI64, and 'public_key', hex",
            "write it with: hanctl ca show --json > root.json",
        ) from None
    suite = next((each for each in SUITES if each.public_key_size == len(octets)), None)
    if suite is None:
        sizes = " or ".join(f"{each.public_key_size} ({each})" for each in SUITES)
        raise RootMalformed(f"the public key in {path} has {len(octets)} bytes", f"it must have {sizes}, compressed")
    try:
        return Root(suite, issuer, suite.curve.decompress(octets))
    except PointError as error:
        raise RootMalformed(f"the public key in {path} is none: {error}", "get it again from the authority") from error


def _fields(text: str) -> dict[str, str]:
    try:
        loaded = json.loads(text)
    except ValueError:
        pairs = (_COLUMNS.split(line.strip(), maxsplit=1) for line in text.splitlines())
        return {pair[0].replace(" ", "_"): pair[1] for pair in pairs if len(pair) == 2}
    return {name: str(value) for name, value in loaded.items()} if isinstance(loaded, dict) else {}
