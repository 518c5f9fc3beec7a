"""The hub as responder: keys end up in the dongle and on record, or it is said why not."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

from full_disk import fill, make_room
from hub_bench import HubBench, on_a_hub
from trust_bench import DISPLAY, HUB, issued, stranger_authority

from hanctl.base.eui64 import Eui64
from hanctl.images.demo_image import build
from hanctl.trust.establishment.initiator import Initiator
from hanctl.trust.establishment.messages import EstablishmentCommand

READ_TIME = bytes.fromhex("00 51 00 0000")


@on_a_hub()
async def test_a_key_is_established_installed_recorded_and_backed_up(bench: HubBench) -> None:
    display = await bench.display()
    display.ask_for_a_key()
    await asyncio.sleep(30)
    assert display.key is not None
    assert bench.radio.keys == {display.eui64: display.key}
    device = bench.device(display.eui64)
    assert device.keyed_at is not None
    assert device.state == "interviewed"
    assert [event.suite for event in bench.events("key.established")] == [2]
    (backup,) = bench.events("backup.written")
    assert backup.link_keys == 1
    directory = bench.directory / "state" / "backups"
    (file,) = directory.iterdir()
    assert str(file) == backup.path
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert json.loads(file.read_text())["devices"][0]["link_key"]["key"] == display.key.hex()


@on_a_hub()
async def test_key_establishment_is_spoken_in_clear_and_acknowledged(bench: HubBench) -> None:
    display = await bench.display()
    display.ask_for_a_key()
    await asyncio.sleep(5)
    spoken = [frame for frame in display.heard if frame.cluster == 0x0800]
    assert [frame.payload[2] for frame in spoken] == [
        EstablishmentCommand.INITIATE,
        EstablishmentCommand.EPHEMERAL,
        EstablishmentCommand.CONFIRM,
    ]
    assert not any(frame.aps_encrypted for frame in spoken)
    assert all(frame.aps_ack for frame in spoken)
    # Only to the last a Default Response is wanted: with it the device says that it has the key.
    assert [bool(frame.payload[0] & 0x10) for frame in spoken] == [True, True, False]


@on_a_hub()
async def test_smart_energy_is_served_only_with_a_key_and_in_cipher(bench: HubBench) -> None:
    display = await bench.display()
    answers = []
    for encrypted in (False, True):
        display.say(0x000A, READ_TIME, encrypted=encrypted)
        await asyncio.sleep(1)
        answers.append((display.heard[-1].payload.hex(), display.heard[-1].aps_encrypted))
    assert answers == [("18510b0001", False), ("18510b007e", True)]
    display.ask_for_a_key()
    await asyncio.sleep(5)
    display.say(0x000A, READ_TIME, encrypted=True)
    await asyncio.sleep(1)
    assert display.heard[-1].payload[:3] == bytes.fromhex("185101")
    for tsn in range(20):
        display.say(0x000A, bytes((0x00, tsn)) + READ_TIME[2:], encrypted=False)
    refused = [(event.cluster, event.reason, event.count) for event in bench.events("request.refused")]
    assert refused == [(0x000A, "not encrypted", 1), (0x000A, "no key established", 1)]
    await asyncio.sleep(600)
    display.say(0x000A, READ_TIME, encrypted=False)
    assert bench.events("request.refused")[-1].count == 21


@on_a_hub()
async def test_nothing_of_smart_energy_is_sent_before_there_is_a_key(bench: HubBench) -> None:
    display = await bench.display()
    await asyncio.sleep(30)
    assert display.heard == []
    display.ask_for_a_key()
    await asyncio.sleep(5)
    assert any(frame.cluster == 0x0019 and frame.aps_encrypted for frame in display.heard)


@on_a_hub(required=False)
async def test_where_keys_are_not_required_a_device_without_one_is_served(bench: HubBench) -> None:
    display = await bench.display()
    display.say(0x000A, READ_TIME, encrypted=True)
    await asyncio.sleep(30)
    assert bench.device(display.eui64).state == "interviewed"
    await asyncio.sleep(3600)
    assert bench.events("device.evicted") == []
    display.ask_for_a_key()
    await asyncio.sleep(5)
    assert bench.radio.keys == {display.eui64: display.key}


@on_a_hub()
async def test_several_devices_at_once(bench: HubBench) -> None:
    displays = [await bench.display(number) for number in range(1, 7)]
    for display in displays:
        display.ask_for_a_key()
    await asyncio.sleep(30)
    assert bench.radio.keys == {display.eui64: display.key for display in displays}
    assert len(set(bench.radio.keys.values())) == len(displays)
    # They were saved together.
    assert [event.link_keys for event in bench.events("backup.written")] == [6]


@on_a_hub()
async def test_another_root_ends_with_a_bad_key_confirm(bench: HubBench) -> None:
    other = stranger_authority(True).issue(DISPLAY, valid_from=0)
    display = await bench.display(credentials=other)
    display.ask_for_a_key()
    await asyncio.sleep(30)
    assert display.key is None
    assert bench.radio.keys == {}
    (event,) = bench.events("key.failed")
    assert event.status == "BAD_KEY_CONFIRM"
    assert event.stage == "ephemeral keys exchanged"
    assert bench.device(DISPLAY).keyed_at is None


@on_a_hub()
async def test_another_issuer_and_another_subject(bench: HubBench) -> None:
    display = await bench.display(credentials=stranger_authority(False).issue(DISPLAY, valid_from=0))
    display.ask_for_a_key()
    await asyncio.sleep(15)
    display.engine = type(display.engine)([issued(Eui64("00:db:12:34:56:78:00:ff"))])
    display.ask_for_a_key()
    await asyncio.sleep(15)
    assert [event.status for event in bench.events("key.failed")] == ["UNKNOWN_ISSUER", "BAD_MESSAGE"]


@on_a_hub(cbke_timeout_s=60)
async def test_a_device_that_rejects_the_last_code_is_evicted_in_time(bench: HubBench) -> None:
    """That it rejects it anybody can say; that it is not heard under its key cannot be said away."""
    display = await bench.display(mutes=frozenset((EstablishmentCommand.CONFIRM,)))
    display.answers_in_cipher = False
    display.ask_for_a_key()
    await asyncio.sleep(3)
    # It confirms, gets the hub's code, and says that it is wrong.
    (exchange,) = display.engine._exchanges.values()
    assert isinstance(exchange, Initiator) and exchange._agreed is not None
    agreed = exchange._agreed
    display.mutes = frozenset()
    display.engine.cancel(HUB, display.now)
    display.say(0x0800, bytes((0x01, 0x60, EstablishmentCommand.CONFIRM)) + agreed.initiator_smac)
    await asyncio.sleep(1)
    display.say(0x0800, bytes.fromhex("01 61 03 02 1e 0200"))
    # A Default Response, as of a device that took the code.
    display.say(0x0800, bytes.fromhex("00 62 0b 02 00"))
    await asyncio.sleep(55)
    assert display.eui64 in bench.radio.keys
    assert bench.device(display.eui64).keyed_at is not None
    await asyncio.sleep(10)
    assert bench.radio.keys == {}
    (event,) = bench.events("device.evicted")
    assert "nothing was heard under it" in event.reason


@on_a_hub()
async def test_a_dongle_pulled_at_the_last_moment_gets_the_key_when_it_is_back(bench: HubBench) -> None:
    display = await bench.display()
    taken = bench.radio.install_link_key

    async def pulled(eui64: Eui64, nwk: int, key: bytes) -> None:
        bench.radio.lose()
        bench.radio.install_link_key = taken  # type: ignore[method-assign]
        await taken(eui64, nwk, key)

    bench.radio.install_link_key = pulled  # type: ignore[method-assign]
    display.ask_for_a_key()
    await asyncio.sleep(60)
    assert bench.events("dongle.lost")
    assert display.key is not None
    assert bench.radio.keys == {display.eui64: display.key}
    assert bench.device(display.eui64).keyed_at is not None


@on_a_hub()
async def test_a_key_that_the_dongle_does_not_take_costs_the_device_its_place(bench: HubBench) -> None:
    display = await bench.display()
    bench.radio.refuses_keys = True
    display.ask_for_a_key()
    await asyncio.sleep(30)
    assert "did not take" in bench.events("key.failed")[-1].reason
    assert "did not take" in bench.events("device.evicted")[-1].reason
    assert bench.radio.left == [display.eui64]
    assert bench.device(display.eui64).state == "removed"


@on_a_hub()
async def test_without_a_word_on_the_network_a_device_is_evicted_in_time(bench: HubBench) -> None:
    silent = await bench.display(1)
    stuck = await bench.display(2, mutes=frozenset((EstablishmentCommand.CONFIRM,)))
    talker = await bench.display(3)
    bench.radio.listening.device_joined(issued(Eui64("00:db:12:34:56:78:00:04")).subject, 0x1004)
    stuck.ask_for_a_key()
    await asyncio.sleep(1100)
    assert bench.events("device.evicted") == []
    talker.ask_for_a_key()
    await asyncio.sleep(120)
    reasons = {event.device: event.reason for event in bench.events("device.evicted")}
    assert set(reasons) == {silent.eui64, stuck.eui64}
    assert "never asked" in reasons[silent.eui64]
    assert "ephemeral keys exchanged" in reasons[stuck.eui64]
    assert sorted(bench.radio.left) == sorted([*reasons, Eui64("00:db:12:34:56:78:00:04")])
    assert bench.device(silent.eui64).removed_reason == "it established no key in time"
    assert bench.device(talker.eui64).keyed_at is not None


@on_a_hub(cbke_timeout_s=60)
async def test_a_full_disk_puts_an_eviction_off(bench: HubBench) -> None:
    display = await bench.display()
    fill(bench.hub.ledger)
    await asyncio.sleep(600)
    assert not [task for task in bench.hub._tasks if task.done()]
    assert bench.device(display.eui64).state == "joined"
    make_room(bench.hub.ledger)
    await asyncio.sleep(20)
    assert bench.device(display.eui64).state == "removed"
    (event,) = bench.events("device.evicted")
    assert "never asked" in event.reason


@on_a_hub()
async def test_on_a_full_disk_a_backup_is_made_once_and_told_when_there_is_room(bench: HubBench) -> None:
    fill(bench.hub.ledger)
    bench.hub.trust.backups.request()
    await asyncio.sleep(600)
    assert bench.radio.backups == 1
    make_room(bench.hub.ledger)
    await asyncio.sleep(20)
    (event,) = bench.events("backup.written")
    assert Path(event.path).is_file()
    assert bench.radio.backups == 1


@on_a_hub()
async def test_a_backup_that_cannot_be_written_is_tried_again_within_hours(bench: HubBench) -> None:
    in_the_way = bench.directory / "state" / "backups"
    in_the_way.touch()
    fill(bench.hub.ledger)
    bench.hub.trust.backups.request()
    await asyncio.sleep(60)
    make_room(bench.hub.ledger)
    await asyncio.sleep(60)
    assert [event.reason for event in bench.events("backup.failed") if event.kind == "network"]
    in_the_way.unlink()
    await asyncio.sleep(2 * 3600)
    assert len([event for event in bench.events("backup.written") if event.kind == "network"]) == 1


@on_a_hub(cbke_timeout_s=60)
async def test_a_device_with_the_wrong_install_code_is_evicted_with_the_guess(bench: HubBench) -> None:
    await bench.hub.join(DISPLAY, "83FED3407A939723A5C639B26916D505C3B5")
    bench.radio.listening.device_joined(DISPLAY, 0x1001)
    await asyncio.sleep(70)
    assert "install code" in bench.events("device.evicted")[0].reason


@on_a_hub(cbke_timeout_s=60)
async def test_nobodys_time_runs_while_the_hub_is_away(bench: HubBench) -> None:
    display = await bench.display()
    await asyncio.sleep(50)
    await bench.restart()
    await asyncio.sleep(50)
    assert bench.events("device.evicted") == []
    await asyncio.sleep(20)
    assert bench.device(display.eui64).state == "removed"


@on_a_hub(cbke_timeout_s=60)
async def test_an_update_of_an_evicted_device_is_given_up(bench: HubBench) -> None:
    display = await bench.display()
    image = bench.hub.updates.add_image(build(), name="demo.ota")
    update = bench.hub.updates.start(display.eui64, image.file_sha256, activation="now")
    await asyncio.sleep(90)
    assert bench.device(display.eui64).state == "removed"
    ended = bench.hub.ledger.updates.get(update.id)
    assert ended is not None and ended.state == "failed"


@on_a_hub()
async def test_keys_survive_a_restart(bench: HubBench) -> None:
    display = await bench.display()
    display.ask_for_a_key()
    await asyncio.sleep(10)
    await bench.restart()
    display.say(0x000A, READ_TIME, encrypted=True)
    await asyncio.sleep(1)
    assert any(frame.payload[:3] == bytes.fromhex("185101") for frame in display.heard)


@on_a_hub()
async def test_the_suites_can_be_read_before_there_is_a_key(bench: HubBench) -> None:
    display = await bench.display()
    display.say(0x0800, bytes.fromhex("00 44 00 0000"))
    await asyncio.sleep(1)
    assert display.heard[-1].payload == bytes.fromhex("18 44 01 0000 00 31 0200")
