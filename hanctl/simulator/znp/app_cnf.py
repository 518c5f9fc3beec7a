"""MT APP_CNF: commissioning, install codes and the trust centre's policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hanctl.base.eui64 import from_bytes
from hanctl.crypto.install_code import InstallCodeError, install_code
from hanctl.simulator.znp import network
from hanctl.simulator.znp.codec import c, t
from hanctl.simulator.znp.firmware import ZnpFirmware

_OK = t.Status.SUCCESS
_KEY_LENGTH = 16
FORMATION_S = 0.25
RESUME_S = 0.02


def state_change(state: int) -> Any:
    """Return the callback that tells the device's progress, for which hosts wait."""
    return c.ZDO.StateChangeInd.Callback(State=t.DeviceState(state))


def _notification(status: Any, remaining: Any) -> Any:
    return c.AppConfig.BDBCommissioningNotification.Callback(
        Status=status, Mode=c.app_config.BDBCommissioningMode.NwkFormation, RemainingModes=remaining
    )


def _start_commissioning(dongle: ZnpFirmware, request: Any) -> Any:
    modes = c.app_config.BDBCommissioningMode
    statuses = c.app_config.BDBCommissioningStatus
    stored = network.stored_network(dongle.nvram) is not None

    def resume() -> None:
        dongle.resume()
        dongle.notify(state_change(t.DeviceState.StartedAsCoordinator))
        dongle.notify(_notification(statuses.NetworkRestored, request.Mode))
        if modes.NwkFormation in request.Mode:
            # A node that is on a network cannot form one: hosts take this as the end of a normal start.
            dongle.notify(_notification(statuses.FormationFailure, modes.NONE))

    def form() -> None:
        dongle.form()
        dongle.notify(state_change(t.DeviceState.StartedAsCoordinator))
        dongle.notify(_notification(statuses.Success, modes.NONE))

    if stored:
        dongle.later(resume, RESUME_S)
    elif modes.NwkFormation in request.Mode:
        dongle.later(lambda: dongle.notify(state_change(t.DeviceState.StartingAsCoordinator)))
        dongle.later(form, FORMATION_S)
    else:
        dongle.later(lambda: dongle.notify(_notification(statuses.NoNetwork, modes.NONE)))
    return c.AppConfig.BDBStartCommissioning.Rsp(Status=_OK)


def _set_channel(dongle: ZnpFirmware, request: Any) -> Any:
    if request.IsPrimary:
        dongle.primary_channels = int(request.Channel)
    return c.AppConfig.BDBSetChannel.Rsp(Status=_OK)


def _add_install_code(dongle: ZnpFirmware, request: Any) -> Any:
    data = bytes(request.InstallCode)
    formats = c.app_config.InstallCodeFormat
    key: bytes | None = None
    if request.InstallCodeFormat == formats.KeyDerivedFromInstallCode:
        key = data if len(data) == _KEY_LENGTH else None
    elif request.InstallCodeFormat == formats.InstallCodeAndCRC:
        try:
            code = install_code(data)
        except InstallCodeError:
            code = None
        # The serial command takes a code only together with its CRC.
        key = code.link_key if code is not None and code.with_crc == data else None
    if key is None:
        return c.AppConfig.BDBAddInstallCode.Rsp(Status=t.Status.INVALID_PARAMETER)
    dongle.stack.add_transient_key(from_bytes(request.IEEE.serialize()), key)
    return c.AppConfig.BDBAddInstallCode.Rsp(Status=_OK)


def _join_uses_install_code(dongle: ZnpFirmware, request: Any) -> Any:
    dongle.stack.policy.install_codes_only = bool(request.BdbJoinUsesInstallCodeKey)
    return c.AppConfig.BDBSetJoinUsesInstallCodeKey.Rsp(Status=_OK)


def _require_key_exchange(dongle: ZnpFirmware, request: Any) -> Any:
    dongle.set_key_exchange(required=bool(request.BdbTrustCenterRequireKeyExchange))
    return c.AppConfig.BDBSetTcRequireKeyExchange.Rsp(Status=_OK)


def _allow_rejoin(dongle: ZnpFirmware, request: Any) -> Any:
    dongle.stack.policy.trust_centre_rejoins = bool(request.AllowRejoin)
    return c.AppConfig.SetAllowRejoinTCPolicy.Rsp(Status=_OK)


def _set_frame_counter(dongle: ZnpFirmware, request: Any) -> Any:
    running = dongle.stack.network
    if running is None:
        return c.AppConfig.SetNwkFrameCounter.Rsp(Status=t.Status.FAILURE)
    running.frame_counter = int(request.FrameCounterValue)
    dongle.save_counter()
    return c.AppConfig.SetNwkFrameCounter.Rsp(Status=_OK)


def _accepted(dongle: ZnpFirmware, request: Any) -> Any:
    """Accept timeouts of end devices, which change nothing: the medium's children do not age."""
    return request.Rsp(Status=_OK)


HANDLERS: dict[Any, Callable[[ZnpFirmware, Any], Any]] = {
    c.AppConfig.BDBStartCommissioning.Req: _start_commissioning,
    c.AppConfig.BDBSetChannel.Req: _set_channel,
    c.AppConfig.BDBAddInstallCode.Req: _add_install_code,
    c.AppConfig.BDBSetJoinUsesInstallCodeKey.Req: _join_uses_install_code,
    c.AppConfig.BDBSetTcRequireKeyExchange.Req: _require_key_exchange,
    c.AppConfig.SetAllowRejoinTCPolicy.Req: _allow_rejoin,
    c.AppConfig.SetNwkFrameCounter.Req: _set_frame_counter,
    c.AppConfig.SetDefaultRemoteEndDeviceTimeout.Req: _accepted,
    c.AppConfig.SetEndDeviceTimeout.Req: _accepted,
}
