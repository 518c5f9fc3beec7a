"""Install codes, and the link key each stands for. Source: comms_hub.md §6, vectors §7.5."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from crccheck.crc import CrcX25

from hanctl.base.errors import InvalidInput
from hanctl.crypto.mmo import mmo_hash

CODE_LENGTHS = (6, 8, 12, 16)
_CRC_LENGTH = 2
_SEPARATORS = re.compile(r"[\s:\-.]")


class InstallCodeError(InvalidInput):
    """The text is not an install code. Neither message nor hint repeats it: it is a secret."""

    code = "install-code-invalid"


class InstallCodeCrcError(InstallCodeError):
    """The install code has the right length, but its CRC does not match: it was mistyped."""

    code = "install-code-crc"


@dataclass(frozen=True, slots=True)
class InstallCode:
    """An install code of 6, 8, 12 or 16 bytes, without its CRC."""

    code: bytes = field(repr=False)

    @property
    def with_crc(self) -> bytes:
        """The code followed by its CRC, low byte first: what is printed on devices and what is hashed."""
        return self.code + bytes(CrcX25.calcbytes(self.code, byteorder="little"))

    @property
    def link_key(self) -> bytes:
        """The 16-byte preconfigured link key that stands for this code."""
        return mmo_hash(self.with_crc)


def install_code(data: bytes) -> InstallCode:
    """Return the install code in ``data``, given with or without its CRC.

    The lengths of the two forms differ (6, 8, 12, 16 without; 8, 10, 14, 18 with) but for 8 bytes, which are a
    six-byte code where their last two are the CRC of the first six, and an eight-byte code otherwise.
    Raises InstallCodeError, InstallCodeCrcError.
    """
    code, crc = data[:-_CRC_LENGTH], data[-_CRC_LENGTH:]
    if len(code) in CODE_LENGTHS:
        if CrcX25.calcbytes(code, byteorder="little") == crc:
            return InstallCode(code)
        if len(data) not in CODE_LENGTHS:
            raise InstallCodeCrcError(
                "the last two bytes of the install code are not its CRC",
                "check the code against the device's label: at least one digit is wrong",
            )
    if len(data) in CODE_LENGTHS:
        return InstallCode(data)
    raise InstallCodeError(
        f"the install code has {len(data)} bytes",
        "give 6, 8, 12 or 16 bytes in hex, or these followed by their two-byte CRC",
    )


def parse_install_code(text: str) -> InstallCode:
    """Read an install code written in hex, with or without separators and CRC.

    Raises InstallCodeError, InstallCodeCrcError.
    """
    try:
        data = bytes.fromhex(_SEPARATORS.sub("", text))
    except ValueError:
        raise InstallCodeError("the install code is not hexadecimal", "give pairs of hex digits only") from None
    return install_code(data)
