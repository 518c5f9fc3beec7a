"""The store keeps what it was given, and nothing half."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest
from firmware_fakes import StillClock, make_image

from hanctl.base.errors import InvalidInput, NotFound, Refused
from hanctl.doctor.images import judge_images
from hanctl.images.image_errors import ImageTooLarge, ImageTruncated
from hanctl.images.store import FirmwareStore, StoreError, read_image_file


@pytest.fixture
def store(tmp_path: Path) -> FirmwareStore:
    return FirmwareStore(tmp_path / "store", StillClock())


def test_an_image_is_kept_by_the_hash_of_its_file(store: FirmwareStore) -> None:
    data = make_image()
    image = store.add(data, name="display.ota")
    assert image.file_sha256 == hashlib.sha256(data).hexdigest()
    assert (store.path / f"{image.file_sha256}.ota").read_bytes() == data
    assert image.manufacturer_image_sha256 == hashlib.sha256(bytes(range(200))).hexdigest()
    again = FirmwareStore(store.path, StillClock())
    assert again.list() == [image]
    assert again.get(image.file_sha256[:8].upper()) == image
    assert again.read(image.file_sha256) == data


def test_bytes_after_the_image_are_kept_but_never_served(store: FirmwareStore) -> None:
    data = make_image()
    image = store.add(data + b"signature of a container", name="display.ota")
    assert (image.size, image.trailing_bytes) == (len(data), 24)
    assert store.read(image.file_sha256) == data


def test_adding_again_changes_nothing(store: FirmwareStore) -> None:
    first = store.add(make_image(), name="first.ota")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in store.path.iterdir())
    assert store.add(make_image(), name="second.ota") == first
    assert sorted((path.name, path.stat().st_mtime_ns) for path in store.path.iterdir()) == before


def test_what_was_deleted_behind_its_back_is_gone_and_may_come_again(store: FirmwareStore) -> None:
    image = store.add(make_image(), name="first.ota")
    for path in tuple(store.path.iterdir()):
        # Others may read the store: a tool that compares it with what a maker published.
        assert path.stat().st_mode & 0o777 == 0o644
        path.unlink()
    assert store.list() == []
    with pytest.raises(NotFound):
        store.read(image.file_sha256)
    assert store.add(make_image(), name="second.ota").name == "second.ota"


def test_the_form_and_why_is_recorded(store: FirmwareStore) -> None:
    image = store.add(make_image(), form="gb", name="display.ota")
    stored = FirmwareStore(store.path, StillClock()).describe(image.file_sha256)
    assert (stored.record.form, stored.form_reason) == ("gb", "as asked for")
    with pytest.raises(Refused, match="gb form"):
        store.add(make_image(), form="zigbee", name="display.ota")


def test_a_bad_image_leaves_nothing_behind(store: FirmwareStore) -> None:
    with pytest.raises(ImageTruncated):
        store.add(make_image()[:-1], name="cut.ota")
    assert not store.path.exists()


@pytest.mark.parametrize("step", [1, 2])
def test_a_failed_write_leaves_no_image(store: FirmwareStore, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    calls = 0
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == step:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(StoreError, match="No space left"):
        store.add(make_image(), name="display.ota")
    assert store.list() == []
    assert not list(store.path.glob(".tmp-*"))
    monkeypatch.undo()
    image = store.add(make_image(), name="display.ota")
    assert store.list() == [image]


def test_the_bytes_are_synced_before_they_have_their_name(
    store: FirmwareStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def recorded_fsync(descriptor: int) -> None:
        steps.append("sync directory" if Path(f"/proc/self/fd/{descriptor}").resolve().is_dir() else "sync file")
        fsync(descriptor)

    def recorded_replace(self: Path, target: Path) -> Path:
        steps.append(target.suffix)
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    store.add(make_image(), name="display.ota")
    assert steps == ["sync file", ".ota", "sync directory", "sync file", ".json", "sync directory"]


def test_hashes_that_name_nothing_or_too_much(store: FirmwareStore) -> None:
    image = store.add(make_image(), name="display.ota")
    with pytest.raises(InvalidInput, match="not an image's hash"):
        store.get(image.file_sha256[:7])
    with pytest.raises(InvalidInput):
        store.get("../../etc/passwd")
    with pytest.raises(NotFound):
        store.get("0" * 64)
    twin = image.file_sha256[:8] + "0" * 56
    (store.path / f"{twin}.json").write_text("{}")
    with pytest.raises(Refused, match="2 images begin with"):
        store.get(image.file_sha256[:8])


def test_removed_is_gone(store: FirmwareStore) -> None:
    image = store.add(make_image(), name="display.ota")
    store.remove(image.file_sha256[:12])
    assert list(store.path.iterdir()) == []
    with pytest.raises(NotFound):
        store.read(image.file_sha256)


def test_bytes_that_changed_on_disk_are_not_served(store: FirmwareStore) -> None:
    image = store.add(make_image(), name="display.ota")
    path = store.path / f"{image.file_sha256}.ota"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match="does not have the hash"):
        store.read(image.file_sha256)
    with pytest.raises(StoreError, match="does not have the hash"):
        FirmwareStore(store.path, StillClock()).get(image.file_sha256)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as bound, chdir(path.parent):
        bound.bind(path.name)


def a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def endless(path: Path) -> None:
    os.truncate(path, 1 << 40)


def nested(path: Path) -> None:
    path.write_bytes(b"[" * 60000)


BEFALLS = (a_pipe, a_socket, a_device, a_directory, a_loop, cut_short, emptied, endless, nested)


@pytest.mark.parametrize("ending", ["json", "ota"])
@pytest.mark.parametrize("befalls", BEFALLS)
def test_what_cannot_be_used_is_named_and_left_aside_and_the_rest_goes_on(
    store: FirmwareStore, befalls: Callable[[Path], None], ending: str
) -> None:
    good = store.add(make_image(), name="good.ota")
    bad = store.add(make_image(9), name="bad.ota")
    befalls(store.path / f"{bad.file_sha256}.{ending}")
    fresh = FirmwareStore(store.path, StillClock())
    # A hub that has read a record goes by it until its next start.
    for opened in (fresh,) if ending == "json" else (fresh, store):
        assert good in opened.list()
        assert good in [stored.record for stored, _ in opened.judged()]
        assert opened.read(good.file_sha256) == make_image()
        with pytest.raises(StoreError, match=bad.file_sha256):
            opened.read(bad.file_sha256)
        (wrong,) = opened.left_aside()
        assert wrong.startswith(f"{bad.file_sha256}.{ending} in the firmware store")
        finding = judge_images(store.path, StillClock())
        assert finding.status == "warn" and bad.file_sha256 in finding.message


@pytest.mark.parametrize("ending", ["json", "ota"])
@pytest.mark.parametrize("befalls", [a_pipe, a_socket, a_loop, cut_short, emptied])
def test_adding_the_file_again_mends_what_was_left_aside(
    store: FirmwareStore, befalls: Callable[[Path], None], ending: str
) -> None:
    image = store.add(make_image(), name="display.ota")
    befalls(store.path / f"{image.file_sha256}.{ending}")
    again = FirmwareStore(store.path, StillClock())
    assert again.add(make_image(), name="display.ota") == image
    assert again.list() == [image] and again.left_aside() == ()
    assert judge_images(store.path, StillClock()).status == "ok"


def test_a_record_that_is_not_named_for_a_hash_is_named(store: FirmwareStore) -> None:
    image = store.add(make_image(), name="display.ota")
    Path(os.fsdecode(os.fsencode(store.path) + b"/caf\xe9.json")).write_text("{}")
    assert store.list() == [image]
    (wrong,) = store.left_aside()
    assert "caf\ufffd.json" in wrong


@pytest.mark.parametrize("name", ["caf\udce9.ota", "a\nb.ota", "\x1b[2J.ota", "\ud800"])
def test_a_name_that_is_no_text_is_shown_without_what_is_none(store: FirmwareStore, name: str) -> None:
    shown = store.add(make_image(), name=name).name
    assert shown.isprintable() and shown.encode()
    record = next(store.path.glob("*.json"))
    record.write_text(json.dumps(json.loads(record.read_text()) | {"name": name}))
    (again,) = FirmwareStore(store.path, StillClock()).list()
    assert again.name == shown


def test_a_store_that_is_no_directory_is_said(store: FirmwareStore) -> None:
    store.path.write_text("")
    with pytest.raises(StoreError, match="cannot be read"):
        store.list()
    with pytest.raises(StoreError, match="cannot be read"):
        store.get("a" * 64)
    assert judge_images(store.path, StillClock()).status == "fail"


def test_nobody_else_may_write_to_a_store_whatever_the_umask(tmp_path: Path) -> None:
    store = FirmwareStore(tmp_path / "new" / "store", StillClock())
    before = os.umask(0)
    try:
        store.add(make_image(), name="display.ota")
    finally:
        os.umask(before)
    made = [store.path.parent, store.path, *store.path.iterdir()]
    assert [path for path in made if path.stat().st_mode & 0o022] == []


@pytest.mark.parametrize(
    "record", ["", "[]", "{}", '{"form": "other", "name": "", "added_at": "2026-01-01T00:00:00Z"}']
)
def test_a_damaged_record_is_named(store: FirmwareStore, record: str) -> None:
    image = store.add(make_image(), name="display.ota")
    (store.path / f"{image.file_sha256}.json").write_text(record)
    with pytest.raises(StoreError, match=f"{image.file_sha256}.json"):
        FirmwareStore(store.path, StillClock()).get(image.file_sha256)


def test_records_are_plain_json(store: FirmwareStore) -> None:
    image = store.add(make_image(), name="display.ota")
    record = json.loads((store.path / f"{image.file_sha256}.json").read_text())
    assert record["name"] == "display.ota"
    assert set(record) == {"form", "form_reason", "name", "added_at", "requires"}


def test_reading_a_file_to_add(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_image_file(tmp_path / "absent.ota")
    with pytest.raises(InvalidInput, match="Is a directory"):
        read_image_file(tmp_path)
    huge = tmp_path / "huge.ota"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ImageTooLarge, match=str(1 << 40)):
        read_image_file(huge)
