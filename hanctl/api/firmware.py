"""Routes of images and updates."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Request

from hanctl.api.models import MAX_ID, ImageView, UpdateOrder, UpdateView, image_view, update_view
from hanctl.errors import NotFound
from hanctl.eui64 import parse_eui64
from hanctl.firmware.image import MAX_FILE_SIZE, FormChoice
from hanctl.firmware.image_errors import ImageTooLarge
from hanctl.ledger.records import Image, Update

if TYPE_CHECKING:
    from hanctl.daemon import Daemon

UpdateId = Annotated[int, Path(ge=1, le=MAX_ID)]
_UPLOAD = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}


def router(daemon: Daemon) -> APIRouter:
    routes = APIRouter()

    def view(update: Update) -> UpdateView:
        return update_view(update, daemon.updates.progress(update.id))

    def shown(file_sha256: str) -> ImageView:
        return image_view(daemon.store.describe(file_sha256), daemon.store.verdict(file_sha256))

    @routes.get("/images")
    async def images() -> list[ImageView]:
        return [shown(image.file_sha256) for image in daemon.store.list()]

    @routes.post("/images", status_code=HTTPStatus.CREATED, openapi_extra=_UPLOAD)
    async def add(request: Request, name: str = "image", form: FormChoice = "auto") -> ImageView:
        """Add an image; the body is the file. Adding the same file again changes nothing."""
        data = await _body(request)
        await daemon.store.judge(data, form)
        return shown(daemon.updates.add_image(data, form=form, name=name).file_sha256)

    @routes.get("/images/{file_sha256}")
    async def image(file_sha256: str) -> ImageView:
        """One image, by its hash or an unambiguous beginning of it."""
        return shown(file_sha256)

    @routes.delete("/images/{file_sha256}")
    async def remove(file_sha256: str) -> Image:
        return daemon.updates.remove_image(file_sha256)

    @routes.get("/updates")
    async def updates(device: str | None = None, open_only: bool = False) -> list[UpdateView]:
        address = None if device is None else parse_eui64(device)
        return [view(update) for update in daemon.ledger.updates.all(device=address, open_only=open_only)]

    @routes.post("/updates", status_code=HTTPStatus.CREATED)
    async def order(order: UpdateOrder) -> UpdateView:
        return view(daemon.updates.start(parse_eui64(order.device), order.image, activation=order.activation))

    @routes.get("/updates/{number}")
    async def update(number: UpdateId) -> UpdateView:
        found = daemon.ledger.updates.get(number)
        if found is None:
            raise NotFound(f"there is no update {number}", "see: hanctl update list")
        return view(found)

    @routes.post("/updates/{number}/activate")
    async def activate(number: UpdateId) -> UpdateView:
        """Release a holding update. Still "holding" in the answer: the device is told as soon as it can be reached."""
        return view(await daemon.updates.activate(number))

    @routes.post("/updates/{number}/cancel")
    async def cancel(number: UpdateId) -> UpdateView:
        return view(daemon.updates.cancel(number))

    return routes


async def _body(request: Request) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_FILE_SIZE:
            raise ImageTooLarge(f"the file has more than {MAX_FILE_SIZE} bytes", MAX_FILE_SIZE)
    return bytes(data)
