"""Models that take a row of numbers: the Iris bundle, served."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from bundle import load
from inference.cli import main
from tests.bundles import CAT, iris_bundle, tiny_bundle
from tests.inference.servers import Response, Running, multipart, serving

FLOWER = [5.1, 3.5, 1.4, 0.2]


@pytest.fixture(scope="module")
def iris_server() -> Iterator[Running]:
    with serving(iris_bundle()) as running:
        yield running


def send(server: Running, document: object) -> Response:
    return server.predict(json.dumps(document).encode(), "application/json")


def test_a_flower_is_answered_with_all_classes_there_are(iris_server: Running) -> None:
    answer = send(iris_server, {"features": FLOWER})
    assert answer.status == 200
    predictions = answer.document["predictions"]
    assert {item["class"] for item in predictions} == set(load(iris_bundle()).manifest.classes)
    assert "setosa" in predictions[0]["class"]
    assert sum(item["confidence"] for item in predictions) == pytest.approx(1, abs=1e-4)
    assert answer.document["model"]["digest"] == load(iris_bundle()).digest


def test_integers_exponents_and_a_charset_are_fine(iris_server: Running) -> None:
    body = b' {"features" : [5, 35e-1, -0.0, 1E0]} \n'
    assert iris_server.predict(body, "application/json; charset=utf-8").status == 200


@pytest.mark.parametrize(
    ("features", "what"),
    [
        (FLOWER[:3], "3 came"),
        ([*FLOWER, 1.0], "5 came"),
        ([], "0 came"),
        ([5.1, 3.5, 1.4, "0.2"], "is a string"),
        ([5.1, 3.5, 1.4, True], "is a boolean"),
        ([5.1, 3.5, 1.4, None], "is null"),
        ([5.1, 3.5, 1.4, [0.2]], "is an array"),
        ([FLOWER], "1 came"),
        ([5.1, 3.5, 1.4, {}], "is an object"),
        ([5.1, 3.5, 1.4, float("nan")], "is not finite"),
        ([5.1, 3.5, 1.4, float("-inf")], "is not finite"),
        ([5.1, 3.5, 1.4, 1e39], "is beyond 1e+20"),
        ([5.1, 3.5, 1.4, -(10**400)], "is beyond 1e+20"),
        ("5.1", "is a string"),
        (5.1, "is a number"),
        (None, "is null"),
    ],
)
def test_wrong_numbers_are_422_and_told_what_was_expected_and_what_came(
    iris_server: Running, features: object, what: str
) -> None:
    answer = send(iris_server, {"features": features})
    assert (answer.status, answer.code) == (422, "invalid_features")
    message = answer.document["error"]["message"]
    assert what in message
    assert "4 numbers (" in message
    assert all(name in message for name in load(iris_bundle()).manifest.input.names)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b"{", 400, "bad_request"),
        (b"features=1", 400, "bad_request"),
        (b'{"features": [5.1, 3.5, 1.4, 0.2],}', 400, "bad_request"),
        (b"\xff\xfe{}", 400, "bad_request"),
        (b"[" * 4000, 400, "bad_request"),
        (b'{"features":' * 300, 400, "bad_request"),
        (b"[]", 422, "invalid_features"),
        (b"5", 422, "invalid_features"),
        (b"{}", 422, "invalid_features"),
        (b'{"Features": [5.1, 3.5, 1.4, 0.2]}', 422, "invalid_features"),
        (b'{"features": [5.1, 3.5, 1.4, 0.2], "top\\ud800": 3}', 422, "invalid_features"),
        (b'{"features": [5.1, 3.5, 1.4, 1e999]}', 422, "invalid_features"),
        (b'{"features": [5.1, 3.5, 1.4, ' + b"9" * 4310 + b"]}", 422, "invalid_features"),
        (b" " * 5000 + b'{"features": [5.1, 3.5, 1.4, 0.2]}', 413, "too_large"),
        (b"[" * 1_000_000, 413, "too_large"),
    ],
)
def test_other_bodies_are_told_what_is_wrong(iris_server: Running, body: bytes, status: int, code: str) -> None:
    answer = iris_server.predict(body, "application/json")
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["X-Request-Id"]
    assert send(iris_server, {"features": FLOWER}).status == 200


@pytest.mark.parametrize("content_type", ["image/jpeg", "text/plain", "application/x-www-form-urlencoded", ""])
def test_an_image_sent_to_a_model_of_features_is_415(iris_server: Running, content_type: str) -> None:
    answer = iris_server.predict(CAT.read_bytes(), content_type)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert "application/json" in answer.document["error"]["message"]


def test_a_form_sent_to_a_model_of_features_is_415(iris_server: Running) -> None:
    assert iris_server.predict(*multipart("file", CAT.read_bytes())).status == 415


def test_features_sent_to_a_model_of_images_are_no_image(server: Running) -> None:
    answer = send(server, {"features": FLOWER})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert "not a JPEG, PNG or WebP" in answer.document["error"]["message"]


def test_check_and_ask_take_features_too(iris_server: Running, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--url", iris_server.url, "--bundle", str(iris_bundle())])
    assert result.exit_code == 0, result.output
    assert result.stdout.count("agrees ") == 1 + len(load(iris_bundle()).golden().cases)
    flower = tmp_path / "flower.json"
    flower.write_text(json.dumps({"features": FLOWER}))
    result = CliRunner().invoke(main, ["ask", str(flower), "--url", iris_server.url])
    assert result.exit_code == 0, result.output
    assert "setosa" in result.output.splitlines()[0]


def test_a_server_of_another_kind_of_model_is_found_out(iris_server: Running) -> None:
    result = CliRunner().invoke(main, ["check", "--url", iris_server.url, "--bundle", str(tiny_bundle())])
    assert result.exit_code == 1
    assert "differs  cat.jpg" in result.stdout
    assert "HTTP 415" in result.stderr
