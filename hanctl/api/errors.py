"""Turn errors into answers: always the same JSON form, never a traceback or anything the client sent."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hanctl.api.models import ErrorAnswer, ErrorView
from hanctl.base.errors import ExitCode, HanctlError

_STATUS: dict[ExitCode, HTTPStatus] = {
    ExitCode.USAGE: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExitCode.BAD_IMAGE: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExitCode.CONFIG: HTTPStatus.CONFLICT,
    ExitCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ExitCode.REFUSED: HTTPStatus.CONFLICT,
    ExitCode.DONGLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ExitCode.TIMED_OUT: HTTPStatus.GATEWAY_TIMEOUT,
}


def answer(status: int, code: str, message: str, hint: str, exit_code: ExitCode) -> JSONResponse:
    error = ErrorAnswer(error=ErrorView(code=code, message=message, hint=hint, exit_code=exit_code))
    return JSONResponse(error.model_dump(), status)


def answer_to(error: HanctlError) -> JSONResponse:
    """Return the answer that tells of an expected failure."""
    status = _STATUS.get(error.exit_code, HTTPStatus.INTERNAL_SERVER_ERROR)
    return answer(status, error.code, str(error), error.hint, error.exit_code)


def handle_errors(app: FastAPI) -> None:
    """Register the error handlers with the application."""

    @app.exception_handler(HanctlError)
    async def expected(request: Request, error: HanctlError) -> JSONResponse:
        return answer_to(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        # The framework's own answer would repeat the input, which may be an install code, as a name may be.
        first = error.errors()[0]
        place, unknown = first["loc"][1:], first["type"] == "extra_forbidden"
        if unknown:
            place = place[:-1]
        elif "[key]" in place:
            place = place[: place.index("[key]") - 1]
        where = ".".join(str(part) for part in place) or "body"
        return answer(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid-input",
            f"{where}: {'there is a field that is not known here' if unknown else first['msg']}",
            "see /openapi.json for what may be sent",
            ExitCode.USAGE,
        )

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        exit_code = ExitCode.NOT_FOUND if error.status_code == HTTPStatus.NOT_FOUND else ExitCode.USAGE
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        return answer(error.status_code, code, str(error.detail), "see /openapi.json for the routes", exit_code)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        # The server logs the traceback: the framework raises the exception again after this answer.
        return answer(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal",
            "the daemon failed to answer",
            "its log has the details; please report them",
            ExitCode.INTERNAL,
        )
