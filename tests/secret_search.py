"""Searches of what was told for secrets, in every form that one could stand in a text."""

from __future__ import annotations


def forms(secret: bytes) -> list[str]:
    """How a secret could stand in a text."""
    bare = secret.hex()
    spaced = [separator.join(f"{byte:02x}" for byte in secret) for separator in (":", " ", "-", ", 0x")]
    return [bare, *spaced, str(list(secret))[1:-1].lower(), repr(secret)[2:-1].lower()]


def told(secrets: dict[str, bytes], text: str) -> list[str]:
    """The names of the secrets that the text has."""
    lower = text.lower()
    return [name for name, secret in secrets.items() if any(form in lower for form in forms(secret))]
