"""Write credentials in Certicom's text form, which device makers' tools read. It holds the private key."""

from __future__ import annotations

from hanctl.trust.credentials import Credentials


def text_form(credentials: Credentials) -> str:
    """Return the text: labels, and hex in upper case, as ``parse_credentials`` reads it."""
    suite = credentials.suite
    curve = suite.curve
    fields = {
        "CA Pub Key": curve.compress(credentials.authority_key),
        "Device Implicit Cert": credentials.certificate.raw,
        "Device Private Key": credentials.private_key.to_bytes(suite.private_key_size, "big"),
        "Device Public Key": curve.compress(credentials.certificate.public_key(credentials.authority_key)),
    }
    head = f"IEEE Address: {credentials.subject}\n"
    return head + "".join(f"{label}:\n{octets.hex().upper()}\n" for label, octets in fields.items())
