"""``hanctl backup restore``: whose state it is and whose the backup, so that none takes another's place by mistake."""

from __future__ import annotations

import json
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest

from hanctl.base.clock import SystemClock
from hanctl.base.errors import ExitCode
from hanctl.base.eui64 import Eui64
from hanctl.cli.main import main
from hanctl.ledger.files.copies import copies_of, write_copy
from hanctl.ledger.files.identity import HubIdentity, identity_of
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import DongleOpened, NetworkFormed
from hanctl.model.records import Device
from hanctl.state.state import LEDGER, identity_of_hub

ONE, TWO = Eui64("24:8a:6a:07:25:31:a6:01"), Eui64("24:8a:6a:07:25:31:a6:02")
STICK = Eui64("00:0d:6f:00:0a:00:00:01")
DEVICE = Eui64("00:0d:6f:00:0b:00:00:01")
CLOCK = SystemClock()


class Rig:
    """A hub with its configuration and state, of a network, without a process; and a backup of its ledger."""

    def __init__(self, directory: Path, name: str, network: Eui64 | None) -> None:
        self.state = directory / name
        self.config = directory / f"{name}.toml"
        self.config.write_text(f'[hub]\nstate_dir = "{name}"\n[dongle]\npath = "/dev/none-such"\nradio = "ezsp"\n')
        self.ledger = self.state / LEDGER
        if network is None:
            return
        self.state.mkdir(0o700)
        with closing(Ledger.open(self.ledger, CLOCK)) as ledger:
            ledger.record(DongleOpened(path="/dev/x", radio="ezsp", dongle_eui64=STICK, firmware="x"))
            ledger.record(NetworkFormed(channel=15, pan_id=1, extended_pan_id=network))
            ledger.devices.put(Device(eui64=DEVICE, added_at=CLOCK.now(), state="interviewed"))
            self.backup = write_copy(self.ledger, CLOCK.now()).path

    def files(self) -> dict[str, bytes]:
        found = {path for path in self.state.rglob("*") if path.is_file() and path.name != "lock"}
        return {str(path.relative_to(self.state)): path.read_bytes() for path in found}

    def restore(self, *arguments: object) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["backup", "restore", *map(str, arguments), "-c", str(self.config), "--yes"])
        return int(ended.value.code or 0)


@pytest.fixture
def one(tmp_path: Path) -> Rig:
    return Rig(tmp_path, "one", ONE)


@pytest.fixture
def two(tmp_path: Path) -> Rig:
    return Rig(tmp_path, "two", TWO)


def test_two_hubs_are_two_by_their_networks_and_if_these_are_not_known_by_their_dongles() -> None:
    known = [HubIdentity(*each) for each in product((None, ONE, TWO), (None, STICK, DEVICE))]
    for here, there in product(known, known):
        if here.network and there.network:
            expected = here.network != there.network
        else:
            expected = bool(here.dongle and there.dongle and here.dongle != there.dongle)
        assert here.is_not(there) == there.is_not(here) == expected


def test_another_hubs_ledger_is_refused_by_whatever_name_it_is_given(
    one: Rig, two: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    among_its_own = one.backup.with_name("ledger-20200101T000000.000000Z.sqlite")
    among_its_own.write_bytes(two.backup.read_bytes())
    before = one.files()
    for name in (two.backup, among_its_own, among_its_own.name):
        assert one.restore(name) == ExitCode.REFUSED
        told = capsys.readouterr().err
        assert ONE in told and TWO in told and str(one.state) in told and "--overwrite" in told
    assert one.files() == before


def test_a_path_is_that_file_and_never_one_of_the_same_name_among_the_hubs_own(one: Rig, two: Rig) -> None:
    same = two.backup.with_name(one.backup.name)
    two.backup.rename(same)
    before = one.files()
    assert one.restore(same) == ExitCode.REFUSED
    assert one.files() == before
    assert one.restore(one.backup.name) == ExitCode.OK


def test_what_is_restored_where_is_told_and_the_hub_stays_the_same(
    one: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert one.restore(one.backup) == ExitCode.OK
    told = capsys.readouterr().out
    assert str(one.config) in told and str(one.state) in told and told.count(ONE) == 2
    assert "--overwrite" not in told
    assert identity_of(one.ledger) == HubIdentity(ONE, STICK, has_devices=True)


def test_a_hub_is_moved_on_purpose_and_each_step_leads_to_the_next(
    one: Rig, two: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # To a machine that has none yet.
    new = Rig(tmp_path, "new", None)
    assert new.restore(one.backup) == ExitCode.OK
    assert identity_of_hub(new.state).network == ONE
    # In the place of another.
    assert two.restore(one.backup, "--overwrite") == ExitCode.OK
    assert "hanctl backup restore network-….json --overwrite" in capsys.readouterr().out
    assert identity_of_hub(two.state).network == ONE
    (aside,) = two.state.glob("ledger-aside-*.sqlite")
    known = identity_of(aside)
    assert known is not None and known.network == TWO


def test_a_damaged_ledger_is_known_by_its_newest_backup(one: Rig, two: Rig) -> None:
    one.ledger.write_bytes(b"nonsense" * 1000)
    assert identity_of_hub(one.state).network == ONE
    assert one.restore(two.backup) == ExitCode.REFUSED
    assert one.restore(one.backup.name) == ExitCode.OK


def test_a_ledger_itself_is_no_backup_of_one(one: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    aside = one.state / "ledger-aside-20260301T120000.000000Z.sqlite"
    aside.write_bytes(one.ledger.read_bytes())
    with closing(Ledger.open(aside, CLOCK)) as ledger:
        ledger.household.write(1, (0x0702, 0x0000), 0x41, b"x")
    before = one.files()
    assert one.restore(aside) == ExitCode.STATE
    assert "a household's data" in capsys.readouterr().err
    with closing(Ledger.open(one.ledger, CLOCK)):
        assert one.restore(one.ledger) == ExitCode.STATE
        assert "in use" in capsys.readouterr().err
    assert one.files() == before


def test_a_network_that_the_hub_would_not_start_with_is_refused_before_the_dongle_is_asked(
    one: Rig, two: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = tmp_path / "network.json"
    backup.write_text(json.dumps(network(TWO)))
    for more in ((), ("--overwrite",)):
        assert one.restore(backup, *more) == ExitCode.REFUSED
        told = capsys.readouterr().err
        assert ONE in told and TWO in told and "ledger first" in told
    # After that step it comes to the dongle, which is not there.
    assert one.restore(two.backup, "--overwrite") == ExitCode.OK
    assert one.restore(backup, "--overwrite") == ExitCode.DONGLE


def test_the_list_shows_whose_each_backup_is(one: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["backup", "list", "-c", str(one.config), "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["extended_pan_id"], row["eui64"], Path(row["path"])) == (ONE, STICK, one.backup)
    with pytest.raises(SystemExit):
        main(["backup", "list", "-c", str(one.config)])
    assert ONE in capsys.readouterr().out
    assert copies_of(one.ledger) == one.backup.parent


def network(extended_pan_id: Eui64) -> dict[str, object]:
    """A backup of a network, of the least that one must have."""
    return {
        "metadata": {"format": "zigpy/open-coordinator-backup", "version": 1, "source": "hanctl", "internal": {}},
        "coordinator_ieee": STICK.replace(":", ""),
        "pan_id": "1234",
        "extended_pan_id": extended_pan_id.replace(":", ""),
        "nwk_update_id": 0,
        "security_level": 5,
        "channel": 15,
        "channel_mask": [15],
        "network_key": {"key": "00112233445566778899aabbccddeeff", "sequence_number": 0, "frame_counter": 1},
        "devices": [],
    }
