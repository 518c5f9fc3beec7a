"""Errors of the radio layer."""

from __future__ import annotations

from hanctl.base.errors import DongleError, ExitCode, HanctlError


class DeliveryFailed(HanctlError):
    """A frame was not accepted by the dongle or not acknowledged by its destination."""

    code = "delivery-failed"
    exit_code = ExitCode.DONGLE


class KeyTableFull(DeliveryFailed):
    """The dongle has no room for one more link key."""

    code = "key-table-full"


class PayloadTooLong(DeliveryFailed):
    """A payload is longer than the dongle can send, even in blocks; nothing was sent."""

    code = "payload-too-long"


class DongleGone(DongleError):
    """The serial line to the dongle is lost."""

    code = "dongle-gone"


class PortAbsent(DongleError):
    """The serial port does not exist."""

    code = "dongle-port-absent"


class PortForbidden(DongleError):
    """This user may not open the serial port."""

    code = "dongle-port-forbidden"


class PortBusy(DongleError):
    """Another program holds the serial port."""

    code = "dongle-port-busy"


class PortUnreachable(DongleError):
    """The network address of the dongle does not answer."""

    code = "dongle-port-unreachable"


class NotADongle(DongleError):
    """The port opened, but what listens there does not speak the configured radio's protocol."""

    code = "dongle-no-answer"


class ForeignNetwork(DongleError):
    """The dongle belongs to a network as something other than its coordinator; nothing was changed."""

    code = "dongle-foreign-network"


class BlankDongle(DongleError):
    """The dongle holds no network, and the hub's devices belong to one; nothing was changed."""

    code = "dongle-blank"


class OtherNetwork(DongleError):
    """The dongle holds another network than the one that the hub's devices belong to; nothing was changed."""

    code = "dongle-other-network"


class UnexpectedDongle(DongleError):
    """The dongle is not the one that the hub's certificate names; nothing was changed."""

    code = "dongle-unexpected"


class UnsupportedFirmware(DongleError):
    """The dongle's firmware lacks what the hub needs."""

    code = "dongle-firmware-unsupported"


class NetworkStartFailed(DongleError):
    """The dongle answers, but its network did not start."""

    code = "dongle-network-failed"
