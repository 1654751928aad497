"""Routes of storage: what it costs, take a file, where it stands, its bytes or a range of them."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, Path, Query, Request, Response

from offchain.core.errors import ApogeeError
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.gateway.body import declared_bytes, read_body
from offchain.gateway.documentation import ID_EXAMPLE, TAG_STORAGE, problems
from offchain.gateway.face import GatewayFace
from offchain.gateway.model import ADDRESS
from offchain.gateway.publish_routes import IdempotencyKey
from offchain.gateway.ranges import parse_range
from offchain.gateway.storage_door import FileUpload, NoStorage, StorageDoor
from offchain.gateway.storage_model import (
    StorageFile,
    StorageFiles,
    StorageQuote,
    shown_file,
    shown_quote,
)
from offchain.node.http_face import OCTETS, drain
from offchain.storage.model import MAX_FILE_BYTES

MAX_DAYS: Final = 1_825  # five years, as long as a term may be
MOST_FILES: Final = 1_000
VERIFIED: Final = "X-Apogee-Verified"
Reference = Annotated[
    str,
    Path(pattern=r"^(0x)?[0-9a-f]{64}$", description="Id or root, hex.", examples=[ID_EXAMPLE]),
]
ProfileName = Annotated[
    str, Query(pattern=r"^[a-z]{1,16}$", description="solo to replica.", examples=["durable"])
]
Days = Annotated[int, Query(ge=1, le=MAX_DAYS, description="To be kept.", examples=[30])]
Length = Annotated[
    int, Query(alias="len", ge=1, le=MAX_FILE_BYTES, description="Bytes.", examples=[1])
]
Owner = Annotated[
    str | None,
    Query(
        pattern=r"^0x[0-9a-f]{40}$",
        description="Whose. Default: this home's account.",
        examples=[ADDRESS],
    ),
]
Limit = Annotated[int, Query(ge=1, le=MOST_FILES, description="The newest.", examples=[100])]
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "1 to 32,505,856 bytes, stored as they are; larger files by CLI and SDK.",
        "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}, "example": "bytes"}},
    }
}
_DATA: Final[dict[str, Any]] = {
    "description": "Bytes that lie under the file's root.",
    "headers": {
        VERIFIED: {
            "description": "`inclusion`: these bytes are under the root.",
            "schema": {"type": "string", "enum": ["inclusion"]},
            "example": "inclusion",
        },
        "ETag": {
            "description": "The root, in quotes.",
            "schema": {"type": "string"},
            "example": '"0x5f5f"',
        },
    },
    "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}, "example": "bytes"}},
}


def add_storage_routes(app: FastAPI, face: GatewayFace) -> None:
    """Quote, files, bytes."""

    @app.get("/v1/storage/quote", tags=[TAG_STORAGE], responses=problems(400, 404, 422))
    async def storage_quote(
        request: Request, length: Length, profile: ProfileName = "durable", days: Days = 30
    ) -> StorageQuote:
        """What keeping so many bytes costs at the prices of now."""
        face.admit(request)
        found = await _door(face).quote(length, profile, days)
        return shown_quote(length, *found)

    @app.get("/v1/storage/files", tags=[TAG_STORAGE], responses=problems(400))
    async def storage_list(
        request: Request, owner: Owner = None, limit: Limit = 100
    ) -> StorageFiles:
        """Files of an owner."""
        face.admit(request)
        whose = None if owner is None else bytes.fromhex(owner[2:])
        found = await _door(face).files_of(whose)
        return StorageFiles(files=[shown_file(one) for one in found[-limit:]])

    @app.get("/v1/storage/files/{reference}", tags=[TAG_STORAGE], responses=problems(400, 404))
    async def storage_file(request: Request, reference: Reference) -> StorageFile:
        """Where a file stands."""
        face.admit(request)
        return shown_file(await _door(face).file(bytes.fromhex(reference[-64:])))

    _add_bytes(app, face)


def _add_bytes(app: FastAPI, face: GatewayFace) -> None:
    @app.get(
        "/v1/storage/files/{reference}/data",
        tags=[TAG_STORAGE],
        response_class=Response,
        responses={**problems(400, 404, 409, 416), 200: _DATA, 206: _DATA},
    )
    async def storage_data(
        request: Request,
        reference: Reference,
        range_: Annotated[
            str | None, Header(alias="Range", max_length=200, examples=["bytes=0-1023"])
        ] = None,
    ) -> Response:
        """A file's bytes as they are stored, or a range of them."""
        face.admit(request)
        content = await _door(face).content(bytes.fromhex(reference[-64:]))
        wanted = parse_range(range_, content.length)
        with face.reads.held(min(wanted.size, MAX_PAYLOAD_BYTES)):
            data = await _door(face).part(content, wanted.start, wanted.stop)
        face.metrics.bytes["out"] += len(data)
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Disposition": "attachment",
            "ETag": f'"0x{content.opened.file.root.hex()}"',
            VERIFIED: "inclusion",
        }
        if wanted.is_whole:
            return Response(data, HTTPStatus.OK, headers, media_type=OCTETS)
        headers["Content-Range"] = wanted.content_range
        return Response(data, HTTPStatus.PARTIAL_CONTENT, headers, media_type=OCTETS)

    @app.post(
        "/v1/storage/files",
        tags=[TAG_STORAGE],
        status_code=HTTPStatus.CREATED,
        responses=problems(400, 401, 404, 409, 413, 422),
        openapi_extra=_BODY,
    )
    async def storage_put(
        request: Request, key: IdempotencyKey, profile: ProfileName = "durable", days: Days = 30
    ) -> StorageFile:
        """Pay for a file and send it to its seats; answers once enough of them have signed."""
        try:
            face.admit(request)
            door = _door(face)
            length = declared_bytes(request)
            with face.uploads.held(length or MAX_PAYLOAD_BYTES):
                body = await read_body(request, length, face.rules.body)
                face.metrics.bytes["in"] += len(body.payload)
                caller = request.state.caller.id if request.state.caller else ""
                upload = FileUpload(key, caller, profile, days, body.payload)
                return shown_file(await door.put(upload))
        except ApogeeError:
            await drain(request.stream())
            raise


def _door(face: GatewayFace) -> StorageDoor:
    if face.storage is None:
        raise NoStorage
    return face.storage
