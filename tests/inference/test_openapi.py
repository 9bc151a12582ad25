"""The OpenAPI document: valid, and true of the running server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from bundle import load
from tests.bundles import CAT, REPOSITORY, iris_bundle, tiny_bundle
from tests.inference.servers import Response, Running, serving

BINARY = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")


@pytest.fixture(scope="module")
def iris_server() -> Iterator[Running]:
    with serving(iris_bundle()) as running:
        yield running


@pytest.fixture(scope="module", params=["images", "features"])
def fuzzed_server(request: pytest.FixtureRequest) -> Iterator[Running]:
    """A server of its own: fuzzing drains it, too."""
    with serving(tiny_bundle() if request.param == "images" else iris_bundle()) as running:
        yield running


def conforms(document: dict[str, Any], path: str, method: str, answer: Response) -> None:
    """Check an answer against the OpenAPI document: its status is listed, and its body has the schema."""
    response = document["paths"][path][method]["responses"][str(answer.status)]
    schema = {**response["content"]["application/json"]["schema"], "components": document["components"]}
    Draft202012Validator(schema).validate(answer.document)
    assert all(header in answer.headers for header in response["headers"])


def test_every_operation_answers_as_the_document_says(server: Running, iris_server: Running) -> None:
    for running in (server, iris_server):
        document = running.ask("/openapi.json").document
        validate(document)
        for path in ("/health", "/ready", "/version", "/openapi.json"):
            conforms(document, path, "get", running.ask(path))
        conforms(document, "/health/ready", "put", running.ask("/health/ready", method="PUT"))
        others = {path for path in document["paths"] if running.ask(path, method="OPTIONS").status == 405}
        assert others == set(document["paths"])


def test_photos_and_refused_bodies_are_answered_as_the_document_says(server: Running) -> None:
    document = server.ask("/openapi.json").document
    conforms(document, "/predict", "post", server.predict(CAT.read_bytes()))
    for body in (b"", b"hello", CAT.read_bytes()[:900], b"x" * 400_001):
        conforms(document, "/predict", "post", server.predict(body))
    conforms(document, "/predict", "post", server.predict(b"{}", "application/json"))


def test_features_are_answered_as_the_document_says(iris_server: Running) -> None:
    document = iris_server.ask("/openapi.json").document
    for body in (b'{"features": [5.1, 3.5, 1.4, 0.2]}', b'{"features": [5.1]}', b"{", b" " * 9_000):
        conforms(document, "/predict", "post", iris_server.predict(body, "application/json"))


def test_the_document_says_what_the_served_model_takes(server: Running, iris_server: Running) -> None:
    images, features = (
        running.ask("/openapi.json").document["paths"]["/predict"]["post"]["requestBody"]["content"]
        for running in (server, iris_server)
    )
    assert set(images) == {"multipart/form-data", *BINARY}
    assert all(images[kind]["schema"]["maxLength"] == 400_000 for kind in BINARY)
    assert set(features) == {"application/json"}
    row = features["application/json"]["schema"]["properties"]["features"]
    assert [item["title"] for item in row["prefixItems"]] == load(iris_bundle()).manifest.input.names
    assert row["minItems"] == row["maxItems"] == 4


def test_the_document_survives_fuzzing(fuzzed_server: Running, tmp_path: Path) -> None:
    """Every check of Schemathesis, with data that fits the document and data that does not; the same in every run."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--no-color", "run", f"{fuzzed_server.url}/openapi.json"),
        *("--max-examples", "60", "--generation-deterministic", "--continue-on-failure", "--request-timeout", "30"),
        # Time counts nothing here; the machine that runs the tests may be slow.
        *("--suppress-health-check", "all"),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.inference.fuzz_hooks", "PYTHONPATH": str(REPOSITORY)}
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    metrics = fuzzed_server.ask("/metrics").body.decode()
    assert 'pettracker_requests_total{method="POST",path="/predict",status="200"}' in metrics
