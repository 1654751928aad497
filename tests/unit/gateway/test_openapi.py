"""The document that clients are made from: valid, whole, and with an example for everything."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from offchain.gateway import model
from offchain.gateway.access import ROUTES, Access
from offchain.gateway.app import openapi_of
from offchain.gateway.documentation import KEY_SCHEME
from offchain.gateway.openai_errors import speaks_openai

METHODS = {"get", "post", "put", "delete", "patch", "head", "options", "trace"}


@pytest.fixture(scope="module")
def document(routes: FastAPI) -> dict[str, Any]:
    return json.loads(json.dumps(openapi_of(routes)))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield method.upper(), path, operation


def nodes(value: Any) -> Iterator[Any]:
    yield value
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            yield from nodes(child)


def resolved(document: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/")
    found: Any = document
    for step in reference[2:].split("/"):
        found = found[step]
    return found


def test_document__as_a_whole__is_openapi_3_1_and_every_reference_leads_somewhere(
    document: dict[str, Any],
) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    assert document["info"]["version"]
    tables = [node for node in nodes(document) if isinstance(node, dict)]
    references = [table["$ref"] for table in tables if "$ref" in table]
    assert references
    for reference in references:
        assert isinstance(resolved(document, reference), dict)


def test_document__its_routes__are_those_of_the_access_table(document: dict[str, Any]) -> None:
    assert set(ROUTES) == {(method, path) for method, path, _ in operations(document)}


def test_document__key__is_wanted_exactly_where_money_moves(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"][KEY_SCHEME]["scheme"] == "bearer"
    for method, path, operation in operations(document):
        wants = ROUTES[method, path] is not Access.PUBLIC
        assert (operation.get("security") == [{KEY_SCHEME: []}]) == wants
        assert ("401" in operation["responses"]) == wants


def test_document__every_operation__has_a_name_a_sentence_and_a_known_tag(
    document: dict[str, Any],
) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    tags = {tag["name"] for tag in document["tags"]}

    assert len(set(names)) == len(names)
    for _, path, operation in operations(document):
        assert operation["description"].endswith("."), path
        assert set(operation["tags"]) <= tags


def test_document__every_parameter__is_bounded_described_and_has_an_example(
    document: dict[str, Any],
) -> None:
    for _, path, operation in operations(document):
        in_path = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        found = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert in_path == found
        for parameter in operation.get("parameters", []):
            schema = parameter["schema"]
            options = schema.get("anyOf", [schema])
            bounds = {"pattern", "maxLength", "maximum", "exclusiveMaximum", "$ref", "enum"}
            assert any(bounds & set(one) for one in options), (path, parameter["name"])


def test_document__every_answer__has_a_schema_and_an_example(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        good = [status for status in operation["responses"] if status < "300"]
        assert good, (method, path)
        for status, answer in operation["responses"].items():
            assert answer["description"]
            assert answer["content"], (method, path, status)
            if status >= "400":
                form = "json" if speaks_openai(path) else "problem+json"
                assert set(answer["content"]) == {f"application/{form}"}
                continue
            for content in answer["content"].values():
                assert "schema" in content, (method, path, status)


def test_document__where_one_may_try_again__retry_after_is_named(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status in ("429", "503"):
            headers = operation["responses"][status]["headers"]
            assert "Retry-After" in headers, (method, path)


def test_document__the_upload__is_a_stream_of_bytes(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/da/blobs"]["post"]

    assert set(operation["requestBody"]["content"]) == {"application/octet-stream"}
    assert operation["requestBody"]["required"]


def models() -> list[type[BaseModel]]:
    found = [
        one
        for one in vars(model).values()
        if isinstance(one, type) and issubclass(one, BaseModel) and one.__module__ == model.__name__
    ]
    return [one for one in found if one is not model.Model]


@pytest.mark.parametrize("kind", models(), ids=lambda kind: kind.__name__)
def test_examples__of_every_model__are_what_the_model_takes(kind: type[BaseModel]) -> None:
    example: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        if field.examples:
            example[name] = field.examples[0]
        elif field.is_required():
            example[name] = nested_example(field.annotation)
    kind.model_validate_json(json.dumps(example))


def nested_example(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {
            name: field.examples[0]
            for name, field in annotation.model_fields.items()
            if field.examples
        }
    raise AssertionError(f"no example for {annotation}")
