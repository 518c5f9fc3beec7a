"""The store keeps what it was given, and nothing half."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from firmware_fakes import StillClock, make_image

from hanctl.base.errors import InvalidInput, NotFound, Refused
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
        FirmwareStore(store.path, StillClock()).list()


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
