"""The firmware store: image files by the SHA-256 of the file, each with a small JSON record beside it.

``<sha256>.ota`` is the file as it was given; ``<sha256>.json`` says how it was read (form, why, name, added_at). The
record is written last and removed first: an image without one does not exist, so a kill at any moment leaves no half
an image. Every write goes to a temporary file which is synced and renamed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hanctl.base.clock import Clock
from hanctl.base.errors import ExitCode, HanctlError, InvalidInput, NotFound, Refused
from hanctl.images import image_errors
from hanctl.images.image import MAX_FILE_SIZE, FormChoice, OtaImage, parse
from hanctl.images.image_check import SignatureChecker
from hanctl.images.signature import Verdict
from hanctl.model.event import Event
from hanctl.model.image_events import ImageAdded, ImageUnverified
from hanctl.model.records import Image

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{8,64}")


class StoreError(HanctlError):
    """The store cannot be written, or a file in it was changed."""

    code = "firmware-store"
    exit_code = ExitCode.STATE


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image of the store: ``record`` as the ledger knows it, ``parsed`` as the file says, and why this form."""

    record: Image
    parsed: OtaImage
    form_reason: str


def read_image_file(path: Path) -> bytes:
    """Read a file that somebody wants to add. Raises NotFound, InvalidInput or ImageTooLarge."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_SIZE + 1)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}", "check the path") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", "give a readable file") from error
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
        stored = self._find(parsed.file_sha256)
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
            "name": name,
            "added_at": self._clock.now().isoformat(),
            "requires": list(requires),
        }
        try:
            self.path.mkdir(parents=True, exist_ok=True)
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
                f"'{file_sha256}' is not an image's hash",
                "give the file's SHA-256, or at least its first 8 digits: hanctl firmware list",
            )
        whole = _SHA256.fullmatch(wanted) is not None
        matches = [wanted] if whole else [sha256 for sha256 in self._hashes() if sha256.startswith(wanted)]
        if len(matches) > 1:
            raise Refused(f"{len(matches)} images begin with {wanted}", "give more digits of the hash")
        found = self._find(matches[0]) if matches else None
        if found is None:
            raise NotFound(f"no image {wanted} is in the store", "add it first: hanctl firmware add FILE")
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
            for sha256 in self._hashes() if self._signatures.verifies else ():
                # A damaged image is told of where it is asked for.
                with suppress(HanctlError):
                    await self.judge(self._load(sha256), self.get(sha256).form)
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
        """Return every image, in the order they were added."""
        found = (self._find(sha256) for sha256 in self._hashes())
        return sorted(
            (stored.record for stored in found if stored is not None),
            key=lambda record: (record.added_at, record.file_sha256),
        )

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

    def _hashes(self) -> tuple[str, ...]:
        return tuple(sorted(path.stem for path in self.path.glob("*.json") if _SHA256.fullmatch(path.stem)))

    def _find(self, sha256: str) -> StoredImage | None:
        try:
            there = self._json(sha256).exists()
        except PermissionError as error:
            raise StoreError(
                f"the firmware store {self.path} cannot be read: {error.strerror}", "check its owner and mode"
            ) from error
        if not there:
            self._known.pop(sha256, None)
            return None
        # What a hash names never changes, so it is parsed once.
        known = self._known.get(sha256)
        if known is None:
            known = self._known[sha256] = self._open(sha256)
        return known

    def _open(self, sha256: str) -> StoredImage:
        try:
            record: dict[str, Any] = json.loads(self._json(sha256).read_bytes())
            form, name, form_reason = record["form"], str(record["name"]), str(record.get("form_reason", ""))
            added_at = datetime.fromisoformat(record["added_at"])
            requires = tuple(int(version) for version in record.get("requires", ()))
            if form not in {"zigbee", "gb"} or added_at.tzinfo is None:
                raise ValueError("a value is out of range")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(self._json(sha256), "cannot be read") from error
        parsed = parse(self._load(sha256), form)
        return StoredImage(_record(parsed, name, added_at, requires), parsed, form_reason)

    def _load(self, sha256: str) -> bytes:
        try:
            data = self._ota(sha256).read_bytes()
        except OSError as error:
            raise self._damaged(self._ota(sha256), "cannot be read") from error
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

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"the firmware store {self.path} cannot be written: {error.strerror}",
            "check its owner and the disk's space",
        )

    def _damaged(self, path: Path, what: str) -> StoreError:
        return StoreError(
            f"{path.name} in the firmware store {what}",
            f"delete {path.stem}.json and {path.stem}.ota in {self.path}, then add the image again",
        )


def _record(parsed: OtaImage, name: str, added_at: datetime, requires: tuple[int, ...]) -> Image:
    header = parsed.header
    return Image(
        file_sha256=parsed.file_sha256,
        manufacturer_image_sha256=parsed.manufacturer_image_sha256,
        form=parsed.form,
        name=name,
        manufacturer_code=header.manufacturer_code,
        image_type=header.image_type,
        file_version=header.file_version,
        stack_version=header.stack_version,
        header_string=header.header_string,
        size=header.total_image_size,
        trailing_bytes=parsed.trailing_bytes,
        added_at=added_at,
        hardware_min=header.hardware_min,
        hardware_max=header.hardware_max,
        destination=header.destination,
        security_credential_version=header.security_credential_version,
        tags=parsed.tags,
        requires=requires,
    )
