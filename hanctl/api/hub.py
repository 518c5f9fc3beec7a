"""Routes of the hub itself and its devices."""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import AwareDatetime

import hanctl
from hanctl.api.models import (
    BackupAnswer,
    CertificateView,
    DeviceLogView,
    DongleView,
    JoinAnswer,
    JoinOrder,
    JoinView,
    NetworkView,
    ReloadView,
    StatusView,
    TrustView,
)
from hanctl.api.waiting import WaitS, until
from hanctl.base.errors import NotFound
from hanctl.base.eui64 import parse_eui64
from hanctl.model.records import Device

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon


def router(daemon: Daemon) -> APIRouter:
    routes = APIRouter()

    @routes.get("/status")
    async def status() -> StatusView:
        return _status(daemon)

    @routes.post("/reload")
    async def reload() -> ReloadView:
        """Read the configuration again. If it is not valid, the one before stays in force."""
        outcome = daemon.reloads.reload()
        return ReloadView(applied=outcome.applied, restart=outcome.restart)

    @routes.get("/devices")
    async def devices(all: bool = False) -> list[Device]:  # noqa: A002
        """List devices; removed ones only on request."""
        return [device for device in daemon.ledger.devices.all() if all or device.state != "removed"]

    def found(eui64: str) -> Device:
        device = daemon.ledger.devices.get(parse_eui64(eui64))
        if device is None:
            raise NotFound("this device is not known", "see: hanctl device list --all")
        return device

    @routes.get("/devices/{eui64}")
    async def device(eui64: str, seen_after: AwareDatetime | None = None, wait_s: WaitS = 0) -> Device:
        """Return one device; wait up to ``wait_s`` seconds until it is heard at all, or after ``seen_after``."""

        def heard() -> bool:
            seen = found(eui64).last_seen
            return seen is not None and (seen_after is None or seen > seen_after)

        if wait_s:
            await until(daemon, heard, wait_s, daemon.han.on_life)
        return found(eui64)

    @routes.delete("/devices/{eui64}", status_code=HTTPStatus.NO_CONTENT)
    async def remove(eui64: str) -> None:
        """Ask the device to leave and forget its key. Its history stays in the ledger."""
        await daemon.remove(parse_eui64(eui64))

    @routes.post("/devices/{eui64}/key", status_code=HTTPStatus.ACCEPTED)
    async def rekey(eui64: str) -> None:
        """Ask the device for a new link key. The outcome is an event: key.established or key.failed."""
        await daemon.trust.rekey(parse_eui64(eui64))

    @routes.get("/device-log")
    async def device_log() -> DeviceLogView:
        """Return the devices of the HAN, those that may join now, and the last 15 that were removed."""
        log = daemon.trust.log
        return DeviceLogView(devices=log.entries(daemon.han.join_windows()), removed=log.history())

    @routes.post("/backups", status_code=HTTPStatus.CREATED)
    async def back_up() -> BackupAnswer:
        """Save the dongle's network and the ledger now. The network's file holds its keys, the answer none."""
        network = await daemon.trust.backups.make()
        return BackupAnswer(network=str(network), ledger=str((await daemon.copies.create()).path))

    @routes.post("/join", status_code=HTTPStatus.ACCEPTED)
    async def join(order: JoinOrder) -> JoinAnswer:
        """Open the network to one device. When it joins, the event is device.joined."""
        address = parse_eui64(order.eui64)
        seconds = await daemon.join(
            address, order.install_code.get_secret_value(), seconds=order.seconds, device_type=order.device_type
        )
        return JoinAnswer(
            eui64=address, seconds=seconds, key_within=daemon.trust.timeout_s if daemon.trust.required else None
        )

    return routes


def _status(daemon: Daemon) -> StatusView:
    network = daemon.network
    config, ledger = daemon.config, daemon.ledger
    return StatusView(
        version=hanctl.__version__,
        pid=os.getpid(),
        started_at=daemon.started_at or daemon.clock.now(),
        state_dir=str(config.hub.state_dir),
        firmware_store=str(config.hub.firmware_store),
        dongle=DongleView(
            state="open" if network is not None else "reopening",
            path=config.dongle.path,
            radio=config.dongle.radio,
            eui64=network.dongle_eui64 if network is not None else None,
            firmware=network.firmware if network is not None else None,
        ),
        network=None
        if network is None
        else NetworkView(channel=network.channel, pan_id=network.pan_id, extended_pan_id=network.extended_pan_id),
        joins=[JoinView(eui64=eui64, seconds=left) for eui64, left in daemon.han.join_windows().items()],
        trust=_trust(daemon),
        devices=sum(device.state in ("joined", "interviewed") for device in ledger.devices.all()),
        open_updates=len(ledger.updates.all(open_only=True)),
        pending_notices=len(ledger.outbox.pending()),
        ledger_full_since=ledger.full_since,
        last_event=ledger.last_event_id(),
    )


def _trust(daemon: Daemon) -> TrustView:
    trust = daemon.trust
    return TrustView(
        certificates=[
            CertificateView(suite=each.suite.number, subject=each.subject, issuer=each.certificate.issuer)
            for each in trust.credentials
        ],
        keys_required=trust.required,
        keyed_devices=sum(device.keyed_at is not None for device in daemon.ledger.devices.all()),
        key_capacity=trust.key_capacity,
    )
