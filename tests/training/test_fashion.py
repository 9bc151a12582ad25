"""The run of photos: right on photos it has not seen, calibrated, and the same in int8."""

import io

import pytest
from PIL import Image

from bundle import load
from tests.bundles import fashion_bundle, fashion_run
from tests.inference.servers import serving
from training.data import load_data
from training.run import Run


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_int8_names_what_fp32_names() -> None:
    manifest = load(fashion_bundle()).manifest
    assert manifest.metrics["test_accuracy"] >= 0.9
    int8 = manifest.programs["openvino-int8"].agreement
    assert int8.samples == 10_000
    assert int8.top1 >= manifest.min_agreement == 0.98
    assert manifest.metrics["openvino_int8_test_accuracy"] >= manifest.metrics["test_accuracy"] - 0.05


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_clothes_are_named_by_transfer_learning() -> None:
    run = Run(fashion_run())
    assert run.config().network.pretrained
    assert run.finished().validation_accuracy >= 0.9


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("program", ["openvino-fp32", "openvino-int8", "torch-fp32"])
def test_photos_that_it_has_not_seen_are_named(program: str) -> None:
    test = load_data(Run(fashion_run()).config()).test
    right = 0
    with serving(fashion_bundle(), "--program", program) as server:
        for index in range(200):
            stream = io.BytesIO()
            Image.fromarray(test.raw(index)).save(stream, "PNG")
            answer = server.predict(stream.getvalue(), "image/png").document
            right += answer["predictions"][0]["class_id"] == test.labels[index]
    assert right >= 170
