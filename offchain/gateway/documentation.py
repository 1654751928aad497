"""What OpenAPI says beside the routes: tags, problems, headers, the key."""

from typing import Any, Final

from offchain.gateway.access import ROUTES, Access
from offchain.gateway.compute_model import ErrorBody
from offchain.gateway.model import HASH, Problem
from offchain.node.http_face import PROBLEM

ID_EXAMPLE: Final = HASH
TAG_PUBLISH: Final = "publish"
TAG_READ: Final = "read"
TAG_PROCESS: Final = "process"
TAG_COMPUTE: Final = "compute"
TAG_STORAGE: Final = "storage"
TAGS: Final = [
    {"name": TAG_PUBLISH, "description": "Pay for bytes and have them certified."},
    {"name": TAG_READ, "description": "Bytes that were verified against the chain."},
    {"name": TAG_STORAGE, "description": "Files kept by seats that are paid for every second."},
    {"name": TAG_COMPUTE, "description": "Buy verified answers; OpenAI's protocol."},
    {"name": TAG_PROCESS, "description": "Health and figures of this process."},
]
DESCRIPTION: Final = (
    "Data availability and verified answers over HTTP on this machine's loopback. Errors are RFC"
    " 9457 problems, on the routes of OpenAI's protocol its own error object, with a stable `code`"
    " and a `next_step`; 429 and 503 carry `Retry-After`."
)
KEY_SCHEME: Final = "homeKey"
_ALWAYS: Final = (400, 403, 421, 429, 500, 503)  # any route may answer these
_WORDS: Final = {
    400: "The request is malformed, or an API key stands in its URL.",
    401: "No API key, or one that is not known, revoked or expired.",
    403: "A web page of another site asks.",
    404: "There is no such blob, item or row.",
    402: "Not paid for: `error.code` names the limit, `metadata.next_step` what helps.",
    409: "The state does not allow it; `da.bottom`: there are no bytes, for anybody.",
    413: "More than one matrix holds.",
    416: "No byte lies in the range.",
    421: "The Host is not this machine's loopback.",
    422: "The protocol refuses.",
    429: "This peer asks too often.",
    500: "Data contradicts its hash or signature, or a bug.",
    502: "A provider's answer proves nothing; it was not paid for.",
    503: "No room now, or somebody needed does not answer (`da.insufficient_rows`).",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem answers of a route."""
    return {
        status: {
            "description": _WORDS[status],
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": _RETRY} if status in (429, 503) else {}),
        }
        for status in sorted({*statuses, *_ALWAYS})
    }


def openai_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same in OpenAI's form."""
    schema = {"schema": {"$ref": "#/components/schemas/ErrorBody"}}
    found = problems(*statuses)
    for answer in found.values():
        answer["content"] = {"application/json": schema}
    return found


_RETRY: Final = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}, "example": 1}
}


def complete(schema: dict[str, Any]) -> dict[str, Any]:
    """The generated schema with problems, the key, and without the answers that do not exist."""
    components = schema.setdefault("components", {})
    models = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        models.pop(unused, None)
    models["ErrorBody"] = ErrorBody.model_json_schema()
    models["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["securitySchemes"] = {
        KEY_SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "The key in keys/gateway.key of the home, or one of `apogee key new`"
            " with the route's scope.",
        }
    }
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if ROUTES.get((method.upper(), path), Access.PUBLIC) is not Access.PUBLIC:
                operation["security"] = [{KEY_SCHEME: []}]
            found = operation["responses"].get("422", {})
            if "application/json" in found.get("content", {}):
                del operation["responses"]["422"]
    return schema
