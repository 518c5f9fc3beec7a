"""What the store takes and serves under each policy, and what is recorded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from firmware_fakes import DISPLAY, Bench, FakeHan, StillClock, make_device, make_image, make_request
from ota_responses import decode_response
from signed_files import BY_OPENSSL, SUITE_1_FILE, SUITE_2_FILE, Signed, file

from hanctl.base import virtual
from hanctl.base.clock import LoopClock
from hanctl.base.errors import ConfigError, ExitCode
from hanctl.han.cluster import Reply
from hanctl.images import image_check
from hanctl.images.image import OtaImage
from hanctl.images.image_check import Policy, SignatureChecker, SignatureRequired
from hanctl.images.image_errors import ImageError
from hanctl.images.signature import SignatureTrust, Verdict, check
from hanctl.images.store import FirmwareStore
from hanctl.updates.desk.service import UpdateService
from hanctl.updates.serving import ota

TRUST = SignatureTrust(roots=(SUITE_1_FILE.root, SUITE_2_FILE.root))
GOOD = SUITE_2_FILE.file
FALSE = file(SUITE_1_FILE.image, SUITE_2_FILE.certificate_element, SUITE_2_FILE.signature_element)[:-1] + b"\x01"
UNSIGNED = make_image()


def open_store(path: Path, policy: Policy, trust: SignatureTrust = TRUST) -> FirmwareStore:
    return FirmwareStore(path / "store", StillClock(), SignatureChecker(policy, trust))


@pytest.mark.parametrize("data", [FALSE, UNSIGNED], ids=["false", "unsigned"])
def test_required_signatures_are_required_when_added_ordered_and_served(tmp_path: Path, data: bytes) -> None:
    store = open_store(tmp_path, "require")
    with pytest.raises(SignatureRequired, match="not verified: ") as caught:
        store.add(data, name="x.ota")
    assert (caught.value.exit_code, caught.value.code) == (ExitCode.REFUSED, "signature-required")
    assert store.list() == [] and not store.path.exists()
    # It came in under another policy, or past the hub.
    image = open_store(tmp_path, "warn").add(data, name="x.ota")
    with pytest.raises(SignatureRequired):
        store.check_signature(image)
    with pytest.raises(SignatureRequired):
        store.read(image.file_sha256)
    with pytest.raises(SignatureRequired):
        store.add(data, name="x.ota")
    # It is there to be seen and removed.
    assert store.list() == [image]
    assert store.verdict(image.file_sha256[:8]).status in ("invalid", "unsigned")
    store.remove(image.file_sha256)


def test_a_signature_that_nothing_can_check_is_no_good_one(tmp_path: Path) -> None:
    with pytest.raises(SignatureRequired, match="unchecked"):
        open_store(tmp_path, "require", SignatureTrust(roots=(SUITE_1_FILE.root,))).add(GOOD, name="x.ota")


@pytest.mark.parametrize("policy", ["require", "warn", "off"])
def test_signed_bytes_are_kept_and_read_as_they_came(tmp_path: Path, policy: Policy) -> None:
    store = open_store(tmp_path, policy)
    for signed in BY_OPENSSL:
        image = store.add(signed.file + b"trailing", name="x.ota")
        assert (store.path / f"{image.file_sha256}.ota").read_bytes() == signed.file + b"trailing"
        assert store.read(image.file_sha256) == signed.file


def test_who_does_not_look_sees_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_check, "check", None)
    for store in (open_store(tmp_path, "off"), FirmwareStore(tmp_path / "store", StillClock())):
        image = store.add(FALSE, name="x.ota")
        assert store.check_signature(image) == image_check.NOT_LOOKED_AT
        assert [event.type for event in store.added(image)] == ["image.added"]


@pytest.mark.parametrize(
    ("data", "trust", "status", "warned"),
    [
        (GOOD, TRUST, "verified", False),
        (UNSIGNED, TRUST, "unsigned", True),
        (FALSE, TRUST, "invalid", True),
        (GOOD, SignatureTrust(roots=(SUITE_1_FILE.root,)), "unchecked", True),
        # Nobody said whose images to expect: only what is wrong in itself is told.
        (UNSIGNED, SignatureTrust(), "unsigned", False),
        (GOOD, SignatureTrust(), "unchecked", False),
        (file(SUITE_2_FILE.image, SUITE_2_FILE.signature_element), SignatureTrust(), "invalid", True),
    ],
)
def test_the_verdict_is_recorded_and_warned_of(
    tmp_path: Path, data: bytes, trust: SignatureTrust, status: str, warned: bool
) -> None:
    store = open_store(tmp_path, "warn", trust)
    events = store.added(store.add(data, name="x.ota"))
    added = events[0].model_dump()
    assert added["signature"] == status
    assert added["signer"] == (None if data == UNSIGNED else SUITE_2_FILE.signer)
    assert [event.type for event in events[1:]] == (["image.unverified"] if warned else [])
    assert [event.level for event in events[1:]] == (["warning"] if warned else [])


def test_an_image_is_judged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def counted(data: bytes, image: OtaImage, trust: SignatureTrust) -> Verdict:
        judged.append(image.file_sha256)
        return check(data, image, trust)

    monkeypatch.setattr(image_check, "check", counted)
    store = open_store(tmp_path, "require")

    async def scenario() -> None:
        await store.judge(GOOD)
        image = store.add(GOOD, name="x.ota")
        store.check_signature(image)
        store.read(image.file_sha256)
        await store.judge(GOOD)
        assert judged == [image.file_sha256]
        # In another form it is another image.
        await store.judge(GOOD, "gb")
        assert judged == [image.file_sha256] * 2
        with pytest.raises(ImageError):
            await store.judge(GOOD[:-1])

    asyncio.run(scenario())


def test_what_is_stored_is_judged_when_the_hub_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [open_store(tmp_path, "off").add(data, name="x.ota") for data in (GOOD, FALSE, UNSIGNED)]
    # One that is damaged keeps nothing else from being judged.
    (tmp_path / "store" / f"{images[1].file_sha256}.ota").write_bytes(b"damaged")
    store = open_store(tmp_path, "warn")

    async def scenario() -> None:
        running = asyncio.create_task(store.run())
        await asyncio.sleep(1)
        assert not running.done()
        monkeypatch.setattr(image_check, "check", None)
        assert [store.verdict(images[n].file_sha256).status for n in (0, 2)] == ["verified", "unsigned"]
        running.cancel()

    virtual.run(scenario())


def test_a_policy_that_could_take_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="no image could be added"):
        SignatureChecker.load("require", signers=[DISPLAY])
    # What is not looked at need not be there.
    assert SignatureChecker.load("off", roots=[Path("none.json")]).policy == "off"


class SignedBench(Bench):
    """A hub's firmware part that requires signatures."""

    def __init__(self, path: Path, policy: Policy) -> None:
        super().__init__(path, FakeHan())
        self.ledger.devices.put(make_device(manufacturer_code=0x1234, current_version=1))
        self.store = open_store(path, policy)
        self.service = UpdateService(
            self.ledger, self.han, self.store, LoopClock(asyncio.get_running_loop(), self.clock.now())
        )

    def blocks(self, signed: Signed) -> bytes:
        """The image as a device reads it, block by block."""
        fields = {"manufacturer_code": 0x1234, "image_type": 1, "file_version": 2}
        query = ota.QueryNextImageRequest(
            field_control=0, current_file_version=1, manufacturer_code=0x1234, image_type=1
        )
        self.service.server.handle(make_request(0x01, query.serialize()))
        got = b""
        while len(got) < len(signed.file):
            request = ota.ImageBlockRequest(field_control=0, file_offset=len(got), max_data_size=50, **fields)
            reply = self.service.server.handle(make_request(0x03, request.serialize(), len(got) % 251))
            assert isinstance(reply, Reply), reply
            block = decode_response(reply.command, reply.payload)
            assert isinstance(block, ota.ImageBlockResponse) and block.data
            got += bytes(block.data)
        return got


@pytest.mark.parametrize("signed", BY_OPENSSL, ids=lambda signed: f"{signed.suite} over {signed.size} bytes")
def test_a_device_gets_the_very_bytes_that_were_signed(tmp_path: Path, signed: Signed) -> None:
    async def scenario() -> None:
        bench = SignedBench(tmp_path, "require")
        image = bench.service.add_image(signed.file + b"trailing", name="x.ota")
        bench.service.start(DISPLAY, image.file_sha256)
        assert bench.blocks(signed) == signed.file
        added = bench.ledger.events(type="image.added")[0].event.model_dump()
        assert (added["signature"], added["signer"]) == ("verified", signed.signer)
        assert bench.ledger.events(type="image.unverified") == []
        await bench.kill()

    virtual.run(scenario())


def test_a_stricter_policy_stops_orders_and_open_updates(tmp_path: Path) -> None:
    async def scenario() -> None:
        lax = SignedBench(tmp_path, "warn")
        image = lax.service.add_image(make_image(2, manufacturer_code=0x1234, image_type=1), name="x.ota")
        assert lax.count("image.unverified") == 1
        update = lax.service.start(DISPLAY, image.file_sha256)
        await lax.kill()
        strict = SignedBench(tmp_path, "require")
        query = ota.QueryNextImageRequest(
            field_control=0, current_file_version=1, manufacturer_code=0x1234, image_type=1
        )
        offer = strict.service.server.handle(make_request(0x01, query.serialize()))
        assert isinstance(offer, Reply) and offer.payload == b"\x98"  # no image available
        strict.service.cancel(update.id)
        with pytest.raises(SignatureRequired):
            strict.service.start(DISPLAY, image.file_sha256)
        assert strict.count("update.ordered") == 1
        await strict.kill()

    virtual.run(scenario())
