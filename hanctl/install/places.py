"""Locate the files of a hub's service, for the system or for one user."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hanctl.base.errors import InvalidInput
from hanctl.config.paths import CONFIGURATIONS, UNNAMED, own_config_dir, own_state_dir, system_hub

_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
SYSTEM = Path("/etc/systemd/system")


@dataclass(frozen=True, slots=True)
class Places:
    """Files of one service. Paths are those of the system it runs on; ``on_disk`` returns where they are now.

    ``unit``: what is started. ``template``: the name of its file in ``systemd/``. ``own``: its files, that of the unit
    first, by their names there; ``shared``: those of all hubs of the system. ``root``: the system's files, elsewhere
    than in / while a system is only prepared.
    """

    unit: str
    template: str
    own: dict[str, Path]
    shared: dict[str, Path]
    config: Path
    state: Path
    root: Path = Path("/")
    user: bool = False

    def on_disk(self, path: Path) -> Path:
        return self.root / path.relative_to("/")

    @property
    def staged(self) -> bool:
        """Tell whether the system is only being prepared, so that none of its services can run."""
        return self.root != Path("/")

    def others(self) -> list[str]:
        """Return the units of other hubs of this system."""
        found: list[str] = []
        if self.user:
            return found
        if self.unit != "hanctl.service" and self.on_disk(SYSTEM / "hanctl.service").exists():
            found.append("hanctl.service")
        found += sorted({link.name for link in self.on_disk(SYSTEM).glob("*.wants/hanctl@*.service")} - {self.unit})
        return found


def of_system(instance: str | None = None, root: Path = Path("/")) -> Places:
    """Return the places of the system's hub, or of one of several. Raises InvalidInput."""
    if instance is not None and (not _INSTANCE.fullmatch(instance) or instance == UNNAMED):
        raise InvalidInput(
            "this cannot be the name of a hub",
            "take letters, digits, '-', '_' and '.', at most 32; 'hanctl' is the hub that has no name",
        )
    template = "hanctl.service" if instance is None else "hanctl@.service"
    name = instance or UNNAMED
    hub = system_hub(name)
    return Places(
        unit=hub.unit or template,
        template=template,
        own={template: SYSTEM / template},
        shared={
            "hanctl.sysusers": Path("/etc/sysusers.d/hanctl.conf"),
            "hanctl.tmpfiles": Path("/etc/tmpfiles.d/hanctl.conf"),
            "60-hanctl.rules": Path("/etc/udev/rules.d/60-hanctl.rules"),
        },
        config=CONFIGURATIONS / f"{name}.toml",
        state=hub.state_dir,
        root=root,
    )


def of_person() -> Places:
    """Return the places of the present user's hub, in XDG directories."""
    return Places(
        unit="hanctl.service",
        template="hanctl-user.service",
        own={"hanctl-user.service": own_config_dir("systemd") / "user" / "hanctl.service"},
        shared={},
        config=own_config_dir() / "hanctl.toml",
        state=own_state_dir(),
        user=True,
    )
