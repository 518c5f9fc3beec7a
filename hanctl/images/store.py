"""The firmware store: image files by the SHA-256 of the file, each with a small JSON record beside it.

``<sha256>.ota`` is the file as it was given; ``<sha256>.json`` says how it was read (form, why, name, added_at). The
record is written last and removed first: an image without one does not exist, so a kill at any moment leaves no half
an image. Every write goes to a temporary file which is synced and renamed.

Whatever else lies in the directory hurts nobody: a record that is damaged, or is no plain file, is named once in the
log, and left aside. Adding its file again mends it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from hanctl.base.clock import Clock
from hanctl.base.errors import ExitCode, HanctlError, InvalidInput, NotFound, Refused
from hanctl.base.plain_files import make_directory, printable, read_plain
from hanctl.base.shown_path import shown
from hanctl.images import image_errors
from hanctl.images.image import MAX_FILE_SIZE, FormChoice, parse
from hanctl.images.image_check import SignatureChecker
from hanctl.images.signature import Verdict
from hanctl.images.stored_image import StoredImage, image_record
from hanctl.model.event import Event
from hanctl.model.image_events import ImageAdded, ImageUnverified
from hanctl.model.records import Image

log = structlog.get_logger()

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST_RECORD = 65536
_PREFIX = re.compile(r"[0-9a-f]{8,64}")


class StoreError(HanctlError):
    """The store cannot be written, or a file in it was changed."""

    code = "firmware-store"
    exit_code = ExitCode.STATE


def read_image_file(path: Path) -> bytes:
    """Read a file that somebody wants to add. Raises NotFound, InvalidInput or ImageTooLarge."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_SIZE + 1)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        raise NotFound("there is no such file", "check the path") from error
    except OSError as error:
        raise InvalidInput(f"{shown(path)} cannot be read: {error.strerror}", "give a readable file") from error
    if len(data) > MAX_FILE_SIZE:
        raise image_errors.ImageTooLarge(
            f"{path} has {max(size, len(data))} bytes; at most {MAX_FILE_SIZE} are taken", MAX_FILE_SIZE
        )
    return data


class FirmwareStore:
    """A directory of images. It is made when the first image is added.

    ``signatures``: the policy for signatures, and whose are believed; without it nobody looks at them. Every byte is
    kept and served as it was given, whatever the verdict.
    """

    def __init__(self, path: Path, clock: Clock, signatures: SignatureChecker | None = None) -> None:
        self.path = path
        self._clock = clock
        self._signatures = signatures or SignatureChecker()
        self._rejudge = asyncio.Event()
        self._known: dict[str, StoredImage] = {}
        self._told: set[str] = set()

    def believe(self, signatures: SignatureChecker) -> None:
        """Apply a new policy from now on; images already read to be served are not checked again."""
        self._signatures = signatures
        self._rejudge.set()

    def add(self, data: bytes, *, form: FormChoice = "auto", name: str, requires: tuple[int, ...] = ()) -> Image:
        """Parse and store an image; adding the same file again changes nothing and returns the stored one.

        ``requires``: the running versions it may be applied to, where not to any.

        Raises ImageError for a file that cannot be used, SignatureRequired for one whose signature the policy does not
        take, Refused where the same file is stored in another form, StoreError where the directory cannot be written.
        """
        parsed = parse(data, form)
        self._signatures.demand(self._signatures.verdict(data, parsed))
        stored = self._whole(parsed.file_sha256)
        if stored is not None:
            if requires and stored.record.requires != requires:
                raise Refused(
                    "the same file is in the store already, for other running versions",
                    f"remove it first: hanctl firmware remove {parsed.file_sha256[:12]}",
                )
            if stored.record.form != parsed.form:
                raise Refused(
                    f"the same file is in the store already, in the {stored.record.form} form",
                    f"remove it first: hanctl firmware remove {parsed.file_sha256[:12]}",
                )
            return stored.record
        record = {
            "form": parsed.form,
            "form_reason": parsed.form_reason,
            "name": printable(name),
            "added_at": self._clock.now().isoformat(),
            "requires": list(requires),
        }
        try:
            make_directory(self.path)
            self._write(self._ota(parsed.file_sha256), data)
            self._write(self._json(parsed.file_sha256), (json.dumps(record, indent=2) + "\n").encode())
        except OSError as error:
            raise self._unwritable(error) from error
        return self.describe(parsed.file_sha256).record

    def get(self, file_sha256: str) -> Image:
        """Return the image with this hash, or a unique prefix of it of at least 8 digits.

        Raises NotFound, Refused (ambiguous) or InvalidInput.
        """
        return self.describe(file_sha256).record

    def describe(self, file_sha256: str) -> StoredImage:
        """Return the image as ``get`` does, with everything that the parser found."""
        wanted = file_sha256.strip().lower()
        if not _PREFIX.fullmatch(wanted):
            raise InvalidInput(
                "what was given is not an image's hash",
                "give the file's SHA-256, or at least its first 8 digits: hanctl firmware list",
            )
        whole = _SHA256.fullmatch(wanted) is not None
        matches = [wanted] if whole else [sha256 for sha256 in self._hashes() if sha256.startswith(wanted)]
        if len(matches) > 1:
            raise Refused(f"{len(matches)} images begin with these digits", "give more digits of the hash")
        found = self._find(matches[0]) if matches else None
        if found is None:
            raise NotFound("no image with this hash is in the store", "add it first: hanctl firmware add FILE")
        return found

    def read(self, file_sha256: str) -> bytes:
        """Read the image to serve: from the header to the total image size, never bytes after it.

        Raises NotFound, SignatureRequired, and StoreError where the file is not the one that was added.
        """
        stored = self.describe(file_sha256)
        self.check_signature(stored.record)
        return self._load(stored.record.file_sha256)[: stored.record.size]

    def verdict(self, file_sha256: str) -> Verdict:
        """Return the verdict on an image's signature under the present policy. Raises as ``get``, and StoreError."""
        stored = self.describe(file_sha256)
        known = self._signatures.known(stored.parsed)
        return known or self._signatures.verdict(self._load(stored.record.file_sha256), stored.parsed)

    def check_signature(self, image: Image) -> Verdict:
        """Check an image that is to be used now, as the policy may have changed since it was added.

        Raises SignatureRequired if the policy does not accept it, and as ``verdict``.
        """
        verdict = self.verdict(image.file_sha256)
        self._signatures.demand(verdict)
        return verdict

    async def judge(self, data: bytes, form: FormChoice = "auto") -> None:
        """Find the verdict on a file in a thread, ready for ``add``: a megabyte takes most of a second."""
        parsed = parse(data, form)
        if self._signatures.known(parsed) is None:
            await asyncio.to_thread(self._signatures.verdict, data, parsed)

    async def run(self) -> None:
        """Find the verdicts on all stored images in the background, one after another. Never ends."""
        while True:
            self._rejudge.clear()
            with suppress(StoreError):
                for image in self.list() if self._signatures.verifies else ():
                    # One that was damaged since is told of where it is asked for.
                    with suppress(HanctlError):
                        await self.judge(self._load(image.file_sha256), image.form)
            await self._rejudge.wait()

    def added(self, image: Image) -> list[Event]:
        """Return the events to record for an image that was added."""
        verdict = self.verdict(image.file_sha256)
        events: list[Event] = [
            ImageAdded(
                file_sha256=image.file_sha256,
                manufacturer_image_sha256=image.manufacturer_image_sha256,
                form=image.form,
                manufacturer_code=image.manufacturer_code,
                image_type=image.image_type,
                file_version=image.file_version,
                size=image.size,
                signature=verdict.status,
                signer=verdict.signer,
            )
        ]
        if self._signatures.doubts(verdict):
            events.append(
                ImageUnverified(file_sha256=image.file_sha256, signature=verdict.status, reason=verdict.reason)
            )
        return events

    def list(self) -> list[Image]:
        """Return every image that can be used, in the order they were added. Raises StoreError."""
        found = (self._sound(sha256) for sha256 in self._hashes())
        return sorted(
            (stored.record for stored in found if stored is not None),
            key=lambda record: (record.added_at, record.file_sha256),
        )

    def judged(self) -> tuple[tuple[StoredImage, Verdict], ...]:
        """Return every image that can be used, with the verdict on its signature. Raises StoreError."""
        judged = []
        for record in self.list():
            try:
                judged.append((self.describe(record.file_sha256), self.verdict(record.file_sha256)))
            except HanctlError as error:
                self._leave_aside(record.file_sha256, error)
        return tuple(judged)

    def left_aside(self) -> tuple[str, ...]:
        """Return what is wrong with each record that is left aside, named. Raises StoreError."""
        wrong = []
        for name in self._records():
            try:
                if _SHA256.fullmatch(name) is None:
                    raise StoreError(f"{printable(name)}.json in the firmware store is not named for an image's hash")
                if self._find(name) is not None:
                    self._load(name)
            except HanctlError as error:
                wrong.append(str(error))
        return tuple(wrong)

    def remove(self, file_sha256: str) -> None:
        """Remove an image. Raises NotFound or Refused as ``get``, StoreError if it cannot be deleted."""
        sha256 = self.get(file_sha256).file_sha256
        try:
            self._json(sha256).unlink()
            self._sync_directory()
            self._ota(sha256).unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            self._known.pop(sha256, None)

    def _records(self) -> tuple[str, ...]:
        """Return the names of the records, without their ending. Raises StoreError."""
        try:
            names = [path.name for path in self.path.iterdir()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unreadable(error) from error
        return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))

    def _hashes(self) -> tuple[str, ...]:
        return tuple(name for name in self._records() if _SHA256.fullmatch(name))

    def _sound(self, sha256: str) -> StoredImage | None:
        """Find an image, but leave it aside if it is damaged."""
        try:
            return self._find(sha256)
        except HanctlError as error:
            self._leave_aside(sha256, error)
            return None

    def _whole(self, sha256: str) -> StoredImage | None:
        """Find an image of which both files are as they were written."""
        try:
            found = self._find(sha256)
            if found is not None:
                self._load(sha256)
        except HanctlError:
            self._known.pop(sha256, None)
            return None
        return found

    def _leave_aside(self, sha256: str, error: HanctlError) -> None:
        if sha256 not in self._told:
            self._told.add(sha256)
            log.warning("a record of the firmware store is left aside", file_sha256=sha256, reason=str(error))

    def _find(self, sha256: str) -> StoredImage | None:
        try:
            self._json(sha256).lstat()
        except FileNotFoundError:
            self._known.pop(sha256, None)
            return None
        except OSError as error:
            raise self._unreadable(error) from error
        # What a hash names never changes, so it is parsed once.
        known = self._known.get(sha256)
        if known is None:
            known = self._known[sha256] = self._open(sha256)
        return known

    def _open(self, sha256: str) -> StoredImage:
        try:
            record: dict[str, Any] = json.loads(read_plain(self._json(sha256), _LARGEST_RECORD))
            form, name = record["form"], printable(str(record["name"]))
            form_reason = printable(str(record.get("form_reason", "")))
            added_at = datetime.fromisoformat(record["added_at"])
            requires = tuple(int(version) for version in record.get("requires", ()))
            if form not in {"zigbee", "gb"} or added_at.tzinfo is None:
                raise ValueError("a value is out of range")
        except OSError as error:
            raise self._damaged(self._json(sha256), f"cannot be read: {error.strerror}") from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise self._damaged(self._json(sha256), "is not as it was written") from error
        parsed = parse(self._load(sha256), form)
        return StoredImage(image_record(parsed, name, added_at, requires), parsed, form_reason)

    def _load(self, sha256: str) -> bytes:
        try:
            data = read_plain(self._ota(sha256), MAX_FILE_SIZE)
        except OSError as error:
            raise self._damaged(self._ota(sha256), f"cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise self._damaged(self._ota(sha256), "does not have the hash it is named for")
        return data

    def _write(self, target: Path, data: bytes) -> None:
        descriptor, temporary = tempfile.mkstemp(dir=self.path, prefix=".tmp-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            Path(temporary).replace(target)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise
        self._sync_directory()

    def _sync_directory(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _ota(self, sha256: str) -> Path:
        return self.path / f"{sha256}.ota"

    def _json(self, sha256: str) -> Path:
        return self.path / f"{sha256}.json"

    def _unreadable(self, error: OSError) -> StoreError:
        return StoreError(
            f"the firmware store {self.path} cannot be read: {error.strerror}",
            "check its owner, or give another ([hub] firmware_store)",
        )

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"the firmware store {self.path} cannot be written: {error.strerror}",
            "check its owner and the disk's space",
        )

    def _damaged(self, path: Path, what: str) -> StoreError:
        return StoreError(
            f"{path.name} in the firmware store {what}",
            f"add the image again, or delete {path.stem}.json and {path.stem}.ota in {self.path}",
        )
