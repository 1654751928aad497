"""What OpenAPI says beside the routes: tags, problems, headers, the key."""

from typing import Any, Final

from offchain.gateway.access import ROUTES, Access
from offchain.gateway.model import HASH, Problem
from offchain.node.http_face import PROBLEM

ID_EXAMPLE: Final = HASH
TAG_PUBLISH: Final = "publish"
TAG_READ: Final = "read"
TAG_PROCESS: Final = "process"
TAGS: Final = [
    {"name": TAG_PUBLISH, "description": "Pay for bytes and have them certified."},
    {"name": TAG_READ, "description": "Bytes that were verified against the chain."},
    {"name": TAG_PROCESS, "description": "Health and figures of this process."},
]
DESCRIPTION: Final = (
    "Data availability over HTTP on this machine's loopback. Errors are RFC 9457 problems with a"
    " stable `code` and a `next_step`; 429 and 503 carry `Retry-After`."
)
KEY_SCHEME: Final = "homeKey"
_ALWAYS: Final = (403, 421, 429, 500, 503)  # any route may answer these
_WORDS: Final = {
    400: "The request is malformed.",
    401: "No API key, or not this home's.",
    403: "A web page of another site asks.",
    404: "There is no such blob, item or row.",
    409: "The state does not allow it; `da.bottom`: there are no bytes, for anybody.",
    413: "More than one matrix holds.",
    416: "No byte lies in the range.",
    421: "The Host is not this machine's loopback.",
    422: "The protocol refuses.",
    429: "This peer asks too often.",
    500: "Data contradicts its hash or signature, or a bug.",
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


_RETRY: Final = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}, "example": 1}
}


def complete(schema: dict[str, Any]) -> dict[str, Any]:
    """The generated schema with problems, the key, and without the answers that do not exist."""
    components = schema.setdefault("components", {})
    models = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        models.pop(unused, None)
    models["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["securitySchemes"] = {
        KEY_SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "The key in keys/gateway.key of the home.",
        }
    }
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if ROUTES.get((method.upper(), path)) is Access.KEY:
                operation["security"] = [{KEY_SCHEME: []}]
            found = operation["responses"].get("422", {})
            if "application/json" in found.get("content", {}):
                del operation["responses"]["422"]
    return schema
