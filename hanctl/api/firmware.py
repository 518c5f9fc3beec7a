"""Routes of images."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request

from hanctl.api.models import ImageView, Version, image_view
from hanctl.images.image import MAX_FILE_SIZE, FormChoice
from hanctl.images.image_errors import ImageTooLarge
from hanctl.model.records import Image

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon

_UPLOAD = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}

LARGEST = (MAX_FILE_SIZE, ImageTooLarge(f"the file has more than {MAX_FILE_SIZE} bytes", MAX_FILE_SIZE))
"""The most bytes of an image, and the error for more."""


def router(daemon: Daemon) -> APIRouter:
    routes = APIRouter()

    def shown(file_sha256: str) -> ImageView:
        return image_view(daemon.store.describe(file_sha256), daemon.store.verdict(file_sha256))

    @routes.get("/images")
    async def images() -> list[ImageView]:
        """List every image that can be used; records that are damaged are left aside, and named in the log."""
        return [image_view(stored, verdict) for stored, verdict in daemon.store.judged()]

    @routes.post("/images", status_code=HTTPStatus.CREATED, openapi_extra=_UPLOAD)
    async def add(
        request: Request,
        name: str = "image",
        form: FormChoice = "auto",
        requires: Annotated[tuple[Version, ...], Query()] = (),
    ) -> ImageView:
        """Add an image; the body is the file. ``requires``: running versions it may be applied to; default: any.

        Adding the same file again changes nothing.
        """
        data = await request.body()
        await daemon.store.judge(data, form)
        return shown(daemon.updates.add_image(data, form=form, name=name, requires=requires).file_sha256)

    @routes.get("/images/{file_sha256}")
    async def image(file_sha256: str) -> ImageView:
        """Return one image by its hash or a unique prefix of it."""
        return shown(file_sha256)

    @routes.delete("/images/{file_sha256}")
    async def remove(file_sha256: str) -> Image:
        return daemon.updates.remove_image(file_sha256)

    return routes
