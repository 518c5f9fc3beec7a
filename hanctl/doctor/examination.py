"""Run all checks in order: quick and local ones first, the dongle last, as asking it takes seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hanctl.base.clock import Clock
from hanctl.base.eui64 import Eui64
from hanctl.config.sections import Config
from hanctl.doctor import configuration, host, images, state
from hanctl.doctor.dongle import Looker, ask, judge_answer, judge_network
from hanctl.doctor.dongle_firmware import judge_firmware
from hanctl.doctor.finding import Finding, fail, ok, warn
from hanctl.doctor.machine import Machine
from hanctl.doctor.port import judge_port, port_facts
from hanctl.ledger.files.inspection import LedgerFacts, inspect_ledger
from hanctl.radio.finding.looking import HeldNetwork, Look, look_at
from hanctl.radio.settings import DongleSettings

LEDGER_S = 10.0
NEEDS_A_FREE_PORT = ("port", "permission", "in use")
"""Where one of these failed, the dongle is not asked."""


@dataclass(frozen=True, slots=True)
class RunningHub:
    """Status of a hub that answers on the control socket."""

    pid: int
    dongle_path: str
    radio: str
    look: Look | None
    """None: its dongle is gone just now."""

    @classmethod
    def from_status(cls, status: Mapping[str, Any]) -> RunningHub:
        """Make it from the answer to ``GET /status``."""
        dongle, network = status["dongle"], status["network"]
        look = None
        if network is not None:
            held = HeldNetwork(network["channel"], network["pan_id"], network["extended_pan_id"])
            look = Look(Eui64(dongle["eui64"]), dongle["firmware"], held)
        return cls(status["pid"], dongle["path"], dongle["radio"], look)


@dataclass(frozen=True, slots=True)
class Examination:
    """What to check. ``dongles``: those to check; ``config``: of the hub, if it can be read."""

    clock: Clock
    dongles: tuple[DongleSettings, ...]
    config: Config | None = None
    service: str | None = None
    hub: RunningHub | None = None
    out_of_reach: bool = False
    """A hub may run that this user may not ask: its dongle, and so any, is left alone."""
    access_judged: bool = False
    """Root looks, and what the user who runs the hub can do with its files is among ``known``."""
    known: tuple[Finding, ...] = ()
    """What was found before, and is told first."""
    machine: Machine = field(default_factory=Machine)
    look: Looker = look_at

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield the findings, each as soon as it is found."""
        for known in self.known:
            yield known
        yield host.judge_python(host.python_version())
        yield host.judge_libraries(*host.requirements_and_installed())
        ledger = None
        if self.config is not None:
            ledger = self._ledger(self.config)
            for finding in self._files(self.config, ledger):
                yield finding
            if self.service is not None and host.systemd_runs():
                unit = await host.service_unit(self.service)
                if unit is not None:
                    yield host.judge_service(self.service, unit, self._pid)
        yield state.judge_clock(self.clock.now(), host.clock_synchronised(), ledger)
        for dongle in self.dongles:
            async for finding in self._dongle(dongle, ledger):
                yield finding

    @property
    def _pid(self) -> int | None:
        return None if self.hub is None else self.hub.pid

    def _ledger(self, config: Config) -> LedgerFacts | None:
        try:
            return inspect_ledger(config.hub.state_dir / "ledger.sqlite", LEDGER_S)
        except FileNotFoundError:
            return None

    def _files(self, config: Config, ledger: LedgerFacts | None) -> Iterator[Finding]:
        if not self.out_of_reach:
            yield configuration.judge_socket(config.hub.socket, self.hub is not None)
        yield from configuration.judge_webhook(config)
        directory = state.directory_facts(config.hub.state_dir)
        directory = replace(directory, mine=directory.mine or self.access_judged)
        yield state.judge_state_directory(directory, self.machine.lock_holder(config.hub.state_dir / "lock"), self._pid)
        yield state.judge_ledger(ledger)
        yield state.judge_disk("disk", directory)
        store = state.directory_facts(config.hub.firmware_store)
        yield state.judge_disk("image disk", store)
        yield images.judge_images(config.hub.firmware_store, self.clock)

    async def _dongle(self, dongle: DongleSettings, ledger: LedgerFacts | None) -> AsyncIterator[Finding]:
        ours = self.hub if self.hub is not None and _same(self.hub.dongle_path, dongle.path) else None
        free = True
        if "://" not in dongle.path:
            for finding in judge_port(port_facts(dongle.path, self.machine), self._pid if ours else None):
                free = free and not (finding.status == "fail" and finding.check in NEEDS_A_FREE_PORT)
                yield finding
        look = None
        if ours is not None:
            look = ours.look
            yield self._as_the_hub_says(ours)
        elif free and not self.out_of_reach and not self._held_by_another_hub():
            answer = await ask(dongle, self.look)
            look = answer.look
            yield judge_answer(answer)
        else:
            yield warn("dongle", "it was not asked", "see above; a port that is not free is not opened")
        if look is not None:
            yield judge_firmware(look.firmware, self.clock.now())
        if self.config is not None:
            if look is not None:
                yield judge_network(look, ledger, self.config.network.channel)
            yield configuration.judge_certificate(self.config, None if look is None else look.eui64)

    def _held_by_another_hub(self) -> bool:
        """Tell whether a hub that does not answer holds the state directory, and so most likely the dongle."""
        if self.config is None or self.hub is not None:
            return False
        return self.machine.lock_holder(self.config.hub.state_dir / "lock") is not None

    def _as_the_hub_says(self, hub: RunningHub) -> Finding:
        if hub.look is None:
            return fail(
                "dongle",
                f"the hub (process {hub.pid}) has lost it, and tries to open it again",
                "check cable and power; 'hanctl events --type dongle.reopening' says why it does not open",
            )
        return ok("dongle", f"{hub.look.eui64} answers the hub (process {hub.pid}) as {hub.radio.upper()}")


def _same(one: str, other: str) -> bool:
    """Tell whether two paths name one port, by whatever links."""
    return one == other or ("://" not in one + other and Path(one).resolve() == Path(other).resolve())


def default_config() -> Path | None:
    """Return the system's configuration file, if there is one."""
    path = Path("/etc/hanctl/hanctl.toml")
    return path if path.exists() else None
