"""The model of photos that is trained here: right on photos it has not seen, and the same in int8."""

import io

import pytest
from click.testing import CliRunner
from PIL import Image

from bundle import load
from tests.bundles import fashion_bundle
from tests.inference.servers import serving
from training import fashion
from training.cli import main


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_int8_names_what_fp32_names() -> None:
    manifest = load(fashion_bundle()).manifest
    assert manifest.metrics["test_accuracy"] >= 0.9
    int8 = manifest.programs["openvino-int8"].agreement
    assert int8.samples == 10_000
    assert int8.top1 >= 0.98
    assert manifest.chosen.agreement.top1 >= manifest.min_agreement == 0.98


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("program", ["openvino-fp32", "openvino-int8", "torch-fp32"])
def test_photos_that_it_has_not_seen_are_named(program: str) -> None:
    photos = fashion.held_out_photos()
    right = 0
    with serving(fashion_bundle(), "--program", program) as server:
        for pixels, label in zip(photos.pixels[:200], photos.labels[:200], strict=True):
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "PNG")
            answer = server.predict(stream.getvalue(), "image/png").document
            right += answer["predictions"][0]["class_id"] == label
    assert right >= 170


def test_photos_of_others_are_of_no_use_to_it(tmp_path: object) -> None:
    arguments = ["export", "fashion", "--version", "1.0.0", "--output", f"{tmp_path}/bundle", "--images", f"{tmp_path}"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "--images is for pretrained models" in result.output
