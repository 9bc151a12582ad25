"""A server that copies to a candidate: its callers notice nothing, whatever the candidate does."""

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator

from tests.bundles import CAT, iris_bundle, tiny_bundle
from tests.inference.candidates import answering, said
from tests.inference.servers import Response, Running, multipart, serving, start, wait_until


def shadow(server: Running, *targets: str, share: float = 1.0) -> Response:
    line = f"share={share} until={int(time.time()) + 600} {' '.join(targets)}" if targets else ""
    return server.ask("/shadow", line.encode(), "PUT", Content_Type="text/plain")


def counter(server: Running, name: str) -> float:
    lines = server.ask("/metrics").body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"pettracker_shadow_{name}"))


@pytest.fixture
def mirroring(server: Running) -> Iterator[Running]:
    yield server
    assert shadow(server).document == {"share": 0, "until": 0, "targets": []}


def test_photos_reach_the_candidate_as_they_are_whether_raw_or_in_a_form(mirroring: Running) -> None:
    photo = CAT.read_bytes()
    with answering(lambda _: (200, said("cat"))) as candidate:
        assert shadow(mirroring, candidate.address).document["targets"] == [candidate.address]
        body, kind = multipart("file", photo)
        asked = [mirroring.predict(photo), mirroring.predict(body, kind)]
        wait_until(lambda: len(candidate.came) == 2)
    assert [answer.status for answer in asked] == [200, 200]
    assert [content for _, _, content in candidate.came] == [photo, photo]
    sent = {headers["X-Request-Id"] for _, headers, _ in candidate.came}
    assert sent == {answer.headers["X-Request-Id"] for answer in asked}


def test_refused_predictions_and_copies_of_others_are_not_copied(mirroring: Running) -> None:
    with answering(lambda _: (200, said("cat"))) as candidate:
        shadow(mirroring, candidate.address)
        assert mirroring.predict(b"no photo").status == 415
        assert mirroring.ask("/predict", CAT.read_bytes(), Content_Type="image/jpeg", X_Pettracker_Shadow="1").status == 200
        # What a client behind the balancer says of itself keeps its requests out of no comparison.
        said_so = {"X_Pettracker_Shadow": "1", "X_Forwarded_For": "192.0.2.1"}
        last = mirroring.ask("/predict", CAT.read_bytes(), Content_Type="image/jpeg", **said_so)
        wait_until(lambda: candidate.came)
    assert [headers["X-Request-Id"] for _, headers, _ in candidate.came] == [last.headers["X-Request-Id"]]


def test_two_servers_that_copy_to_each_other_do_not_go_on_for_ever(mirroring: Running) -> None:
    with serving(tiny_bundle()) as other:
        here, there = (running.url.removeprefix("http://") for running in (mirroring, other))
        shadow(mirroring, there)
        shadow(other, here)
        before = counter(mirroring, 'compared_total{agrees="yes"}')
        assert mirroring.predict(CAT.read_bytes()).status == 200
        wait_until(lambda: counter(mirroring, 'compared_total{agrees="yes"}') == before + 1)
        assert counter(other, "copies_total") == 0


def test_features_are_copied_as_json() -> None:
    with serving(iris_bundle()) as server, answering(lambda _: (200, said("setosa"))) as candidate:
        shadow(server, candidate.address)
        row = b'{"features": [5.1, 3.5, 1.4, 0.2]}'
        assert server.predict(row, "application/json").status == 200
        wait_until(lambda: candidate.came)
        [(_, headers, body)] = candidate.came
        assert (headers["Content-Type"], body) == ("application/json", row)


def test_answers_readiness_and_the_end_do_not_wait_for_a_candidate_that_never_answers() -> None:
    over = threading.Event()

    def never(_: bytes) -> tuple[int, bytes]:
        over.wait(60)
        return 200, b""

    with answering(never) as candidate:
        server = start(tiny_bundle(), "--drain-seconds", "0")
        try:
            server.wait_for("ready")
            shadow(server, candidate.address)
            # More than may be under way and wait.
            assert {server.predict(CAT.read_bytes()).status for _ in range(50)} == {200}
            assert server.ask("/ready").status == 200
            assert counter(server, 'dropped_total{reason="queue_full"}') > 0
        finally:
            server.process.terminate()
        # Sooner than the copies that wait could have come to their deadlines.
        assert server.finish(15) == 0
        over.set()


def test_with_a_dead_candidate_every_answer_is_the_same(mirroring: Running) -> None:
    photo = CAT.read_bytes()
    before = mirroring.predict(photo).document["predictions"]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        shadow(mirroring, f"127.0.0.1:{nobody.getsockname()[1]}")
        assert all(mirroring.predict(photo).document["predictions"] == before for _ in range(5))


def test_a_big_photo_is_answered_and_not_copied(mirroring: Running) -> None:
    with answering(lambda _: (200, said("cat"))) as candidate, serving(tiny_bundle()) as server:
        shadow(server, candidate.address)
        # What follows the end of a JPEG is no part of the picture.
        assert server.predict(CAT.read_bytes() + b"\0" * (5 * 1024 * 1024)).status == 200
        assert counter(server, 'dropped_total{reason="too_large"}') == 1
    assert candidate.came == []


@pytest.mark.parametrize(
    ("body", "status"), [(b"nonsense", 400), (b"\xff", 400), (b"share=1 until=1 8.8.8.8:80", 400), (b"x" * 257, 413)]
)
def test_what_is_no_shadow_is_refused_as_the_document_says(server: Running, body: bytes, status: int) -> None:
    answer = server.ask("/shadow", body, "PUT", Content_Type="text/plain")
    assert answer.status == status
    document = server.ask("/openapi.json").document
    response = document["paths"]["/shadow"]["put"]["responses"][str(status)]
    schema = {**response["content"]["application/json"]["schema"], "components": document["components"]}
    Draft202012Validator(schema).validate(json.loads(answer.body))
