"""An activation notice to be sent and read."""

from __future__ import annotations

from hanctl.model.update_events import ActivationNotice


def activation_notice(device: str) -> ActivationNotice:
    return ActivationNotice(
        device=device,
        update=1,
        device_type="ppmid",
        outcome="activated",
        result_code=0,
        reason=None,
        old_version=1,
        new_version=2,
        file_sha256="ab" * 32,
        manufacturer_image_sha256=None,
        ordered_at="2026-01-01T00:00:00Z",
        transferred_at=None,
        activated_at=None,
        confirmed_at="2026-01-01T01:00:00Z",
        confirmed_by="version read back",
    )
