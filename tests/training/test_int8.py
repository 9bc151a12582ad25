"""int8: quantised on real inputs, the same every time, measured, and refused when it disagrees."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle import load
from tests.models import samples, small_model
from training.export import export, openvino_program, quantise, writer


def _silent(_: str) -> None:
    pass


def _answers(model: Any) -> np.ndarray:
    return openvino_program.compiled(model)(samples().evaluation)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("int8") / "bundle"
    exported = export(small_model(), "1.0.0", output, _silent, min_agreement=0.8)
    exported.write_report(output.parent / "report.json")
    return output


def test_the_bundle_holds_a_measured_int8_program(exported: Path) -> None:
    manifest = load(exported).manifest
    int8 = manifest.programs["openvino-int8"]
    assert (int8.backend, int8.precision) == ("openvino", "int8")
    assert int8.agreement.samples == len(samples().evaluation)
    assert int8.agreement.top1 >= 0.8
    assert 0 < int8.agreement.max_abs_difference < int8.tolerance
    assert manifest.metrics["openvino_int8_top1_agreement"] == int8.agreement.top1
    assert manifest.min_agreement == 0.8
    program = openvino_program.read(exported / int8.path)
    types = {str(operation.get_output_element_type(0)) for operation in program.get_ordered_ops()}
    assert any("int8" in name or "i8" in name for name in types), "no weight is int8"


def test_the_same_export_has_the_same_digest(exported: Path, tmp_path: Path) -> None:
    # Speeds differ from run to run; everything else has to be the same without help.
    report = json.loads((exported.parent / "report.json").read_text())
    speeds = {name: program["items_per_second"] for name, program in report["programs"].items()}
    again = export(small_model(), "1.0.0", tmp_path / "again", _silent, min_agreement=0.8, speeds=speeds)
    assert again.sealed.digest == load(exported).digest


def test_known_speeds_decide(exported: Path, tmp_path: Path) -> None:
    slow = dict.fromkeys(load(exported).manifest.programs, 1.0)
    fast = {**slow, "torch-fp32": 2.0}
    assert export(small_model(), "1.0.0", tmp_path / "a", _silent, min_agreement=0.8, speeds=fast).chosen == "torch-fp32"


def test_the_report_tells_speeds_which_the_bundle_does_not_hold(exported: Path) -> None:
    report = json.loads((exported.parent / "report.json").read_text())
    assert report["chosen"] == load(exported).manifest.program
    assert set(report["programs"]) == {"openvino-fp32", "openvino-int8", "torch-fp32"}
    assert all(program["items_per_second"] > 0 for program in report["programs"].values())
    assert "items_per_second" not in (exported / "manifest.json").read_text()


def test_an_int8_program_that_disagrees_is_not_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fp32: Path, *_: object) -> Any:
        model = openvino_program.read(fp32)
        layer = next(item for item in model.get_ordered_ops() if item.get_type_name() == "MatMul")
        consumer = next(iter(layer.output(0).get_target_inputs()))
        consumer.replace_source_output(openvino_program.openvino.opset13.negative(layer).output(0))
        return model

    monkeypatch.setattr(writer, "quantise", broken)
    lines: list[str] = []
    manifest = export(small_model(), "1.0.0", tmp_path / "bundle", lines.append).sealed.manifest
    assert manifest.program == "openvino-fp32"
    assert manifest.programs["openvino-int8"].agreement.top1 < manifest.min_agreement
    assert any(line.startswith("openvino-int8 agrees with the reference on") for line in lines)


def test_layers_that_int8_would_damage_stay_in_fp32(tmp_path: Path) -> None:
    export(small_model(spread=3000), "1.0.0", tmp_path / "bundle", _silent, min_agreement=0.5)
    fp32 = tmp_path / "bundle" / "openvino" / "fp32.xml"
    lines: list[str] = []
    quantised = quantise.quantise(fp32, samples().calibration, 1.01, lines.append)
    assert lines[-1] == "keeping 1 of 3 layers in fp32"
    plain = quantise._nncf(fp32, samples().calibration)
    exact = _answers(openvino_program.read(fp32))
    assert np.abs(_answers(quantised) - exact).max() < np.abs(_answers(plain) - exact).max()


def test_no_telemetry_can_be_loaded() -> None:
    import nncf  # noqa: F401, PLC0415 - after openvino_program, as the export imports it

    assert sys.modules["openvino_telemetry"] is None
