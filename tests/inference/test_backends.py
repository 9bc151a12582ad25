"""Both engines on real programs: any number of inputs, in several threads, gives the answers of one input alone."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bundle import load
from inference.backends import Backend, BackendError, batch_sizes, open_backend, openvino_backend
from inference.server import warm_up
from tests.bundles import iris_bundle, tiny_bundle

PROGRAMS = ["openvino-fp32", "torch-fp32"]


@pytest.fixture(scope="module", params=PROGRAMS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return open_backend(load(tiny_bundle()), request.param, threads=2)


@pytest.fixture(scope="module")
def photos() -> NDArray[Any]:
    """Seven inputs that differ."""
    return np.random.default_rng(5).integers(0, 256, (7, 32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def alone(backend: Backend, photos: NDArray[Any]) -> NDArray[np.float32]:
    return np.concatenate([backend.predict(photo[None]) for photo in photos])


def test_probabilities(backend: Backend, alone: NDArray[np.float32]) -> None:
    assert alone.shape == (7, 6)
    assert alone.dtype == np.float32
    np.testing.assert_allclose(alone.sum(axis=1), 1, atol=1e-5)
    assert len({tuple(row) for row in alone.round(4)}) == 7, "each input has an answer of its own"


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_any_number_of_inputs(backend: Backend, photos: NDArray[Any], alone: NDArray[np.float32], count: int) -> None:
    np.testing.assert_allclose(backend.predict(photos[:count]), alone[:count], atol=1e-5)


def test_however_an_input_lies_in_memory(backend: Backend, photos: NDArray[Any], alone: NDArray[np.float32]) -> None:
    read_only = photos[0].copy()
    read_only.flags.writeable = False
    for item in (read_only, np.asfortranarray(photos[0]), photos[0].copy()[::-1].copy()[::-1]):
        np.testing.assert_allclose(backend.predict(item[None])[0], alone[0], atol=1e-5)


def test_answers_stay_when_the_next_inference_runs(backend: Backend, photos: NDArray[Any]) -> None:
    first = backend.predict(photos[:1])
    before = first.copy()
    backend.predict(photos[1:2])
    np.testing.assert_array_equal(first, before)


def test_streams_do_not_mix_up_their_answers(backend: Backend, photos: NDArray[Any], alone: NDArray[np.float32]) -> None:
    def ask(turn: int) -> bool:
        start, count = turn % 4, 1 + turn % backend.max_batch
        return bool(np.allclose(backend.predict(photos[start : start + count]), alone[start : start + count], atol=1e-5))

    with ThreadPoolExecutor(backend.streams + 1) as threads:
        assert all(threads.map(ask, range(200)))


def test_a_stream_for_each_core() -> None:
    bundle = load(tiny_bundle())
    assert open_backend(bundle, "openvino-fp32", threads=2).streams == 2
    assert open_backend(bundle, "openvino-fp32", threads=1).streams == 1
    assert open_backend(bundle, "torch-fp32", threads=2).streams == 1


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_largest_batch_is_the_operators_choice(program: str) -> None:
    backend = open_backend(load(tiny_bundle()), program, threads=1, batch=3)
    assert backend.batch_sizes == (1, 2, 3)
    assert backend.max_batch == 3
    assert open_backend(load(tiny_bundle()), program, threads=1).batch_sizes == (1, 2, 4)


def test_batch_sizes() -> None:
    assert [batch_sizes(largest) for largest in (1, 2, 5, 8)] == [(1,), (1, 2), (1, 2, 4, 5), (1, 2, 4, 8)]


@pytest.mark.parametrize("program", PROGRAMS)
def test_models_of_features(program: str) -> None:
    bundle = load(iris_bundle())
    backend = open_backend(bundle, program, threads=2)
    warm_up(backend, bundle)
    rows = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.9, 3.0, 4.2, 1.5]], np.float32)
    alone = np.concatenate([backend.predict(row[None]) for row in rows])
    assert alone.shape == (3, len(bundle.manifest.classes))
    np.testing.assert_allclose(backend.predict(rows), alone, atol=1e-5)
    torch = open_backend(bundle, "torch-fp32", threads=1)
    np.testing.assert_allclose(torch.predict(rows), alone, atol=1e-4)


def test_an_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "inference.backends.openvino_backend", raising=False)
    with pytest.raises(BackendError, match=r"needs openvino; install pettracker-ml\[serve-openvino\]"):
        open_backend(load(tiny_bundle()), "openvino-fp32", threads=1)


def test_a_warm_up_that_finds_no_probabilities_refuses_the_model() -> None:
    class Logits:
        streams, batch_sizes, max_batch = 1, (1, 2), 2

        def predict(self, batch: NDArray[Any]) -> NDArray[np.float32]:
            return np.full((len(batch), 6), 3.0, np.float32)

    with pytest.raises(BackendError, match="not probabilities of 6 classes"):
        warm_up(Logits(), load(tiny_bundle()))


def test_the_programs_are_run_at_the_size_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Static shapes: dynamic ones corrupted the heap."""
    shapes: list[str] = []
    compile_model = openvino_backend.openvino.Core.compile_model

    def recorded(core: Any, model: Any, *rest: Any) -> Any:
        shapes.append(str(model.inputs[0].partial_shape))
        return compile_model(core, model, *rest)

    monkeypatch.setattr(openvino_backend.openvino.Core, "compile_model", recorded)
    open_backend(load(tiny_bundle()), "openvino-fp32", threads=2)
    assert shapes == ["[1,32,32,3]", "[2,32,32,3]", "[4,32,32,3]"]
