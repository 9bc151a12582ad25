"""Export of a torch network into a bundle. Same inputs on the same machine, same bytes: no dates, no paths."""

import hashlib
import io
import json
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

import bundle
from bundle.golden import GoldenSet
from bundle.manifest import GOLDEN_FILE, MODEL_CARD_FILE, VERSION
from bundle.preprocessing import Preprocessing
from training.golden import write_golden_set
from training.model_card import ModelCard

Say = Callable[[str], None]

WEIGHTS_FILE = "model.safetensors"
TORCH_PROGRAM = "torch/model.pt2"
OPENVINO_PROGRAM = "openvino/model.xml"
OPENVINO_WEIGHTS = "openvino/model.bin"
MAX_BATCH = 64
# Backends compute the same fp32 arithmetic in another order; measured on EfficientNet-Lite0: 1e-6.
PARITY_BOUND = 1e-3

# Node metadata that names files of the exporting machine, and is of no use to the runtime.
_TRACE_METADATA = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")


class ExportError(Exception):
    """The export cannot be done, or what it made is not good enough to publish."""


@dataclass(frozen=True)
class ModelToExport:
    """A network with what a bundle has to say about it.

    Attributes:
        network: float32 [batch, 3, crop, crop] to logits [batch, len(classes)].
        weights_origin: the file that the weights were read from, for its sha256.
        metrics: figures known beforehand; the export adds the parity that it measures.
    """

    name: str
    network: torch.nn.Module
    classes: list[str]
    preprocessing: Preprocessing
    weights_origin: Path
    source: str
    training_data: str
    licence: str
    metrics: dict[str, float]
    card: ModelCard


class _Probabilities(torch.nn.Module):
    """Adds the softmax, so that every backend answers probabilities and serving knows nothing about the model."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.network(pixels), dim=1)


def export(model: ModelToExport, model_version: str, output: Path, say: Say) -> bundle.Bundle:
    """Write the bundle to `output`, which must not exist yet; an interrupted export leaves nothing there.

    Raises:
        ExportError: output exists, the version is none, or a backend disagrees with the torch reference.
    """
    if not VERSION.fullmatch(model_version):
        raise ExportError(f"{model_version!r} is no version; write three numbers, such as 1.0.0")
    if output.exists():
        raise ExportError(f"{output} exists already; remove it or choose another directory")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export-") as scratch:
        root = Path(scratch) / "bundle"
        root.mkdir()
        _write(root, model, model_version, say)
        root.chmod(0o755)
        root.rename(output)
    sealed = bundle.load(output)
    say(f"wrote {output} ({sum(entry.bytes for entry in sealed.manifest.files.values()) / 1e6:.1f} MB)")
    return sealed


def _write(root: Path, model: ModelToExport, model_version: str, say: Say) -> None:
    reference = _Probabilities(model.network).eval().requires_grad_(False)
    crop = model.preprocessing.crop

    def predict(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return reference(torch.from_numpy(batch)).numpy()

    say("writing the weights as safetensors")
    save_file({name: value.contiguous() for name, value in model.network.state_dict().items()}, root / WEIGHTS_FILE)
    say("tracing the network with torch.export")
    program = torch.export.export(
        reference,
        (torch.zeros(2, 3, crop, crop),),
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=MAX_BATCH)},),
    )
    for node in program.graph.nodes:
        for key in _TRACE_METADATA:
            node.meta.pop(key, None)
    (root / "torch").mkdir()
    save_program(program, root / TORCH_PROGRAM)
    say("converting to OpenVINO")
    (root / "openvino").mkdir()
    openvino = _import_openvino()
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        # torch 2.13's own use of a deprecated pytree class, while it copies an exported program.
        warnings.simplefilter("ignore", FutureWarning)
        converted = openvino.convert_model(program, input=[(-1, 3, crop, crop)])
    # Names given by the converter count what the process has converted before.
    converted.set_friendly_name(model.name)
    for index, operation in enumerate(converted.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{index}")
    openvino.save_model(converted, root / OPENVINO_PROGRAM, compress_to_fp16=False)
    say("answering the golden set with the reference")
    inputs = write_golden_set(root / "golden", model.preprocessing, predict)
    say("comparing the backends")
    metrics = {
        **model.metrics,
        "openvino_fp32_max_abs_difference": _parity(_openvino_predict(openvino, root), predict, inputs, "openvino"),
        "torch_max_abs_difference": _parity(_torch_predict(root), predict, inputs, "torch"),
    }
    golden = GoldenSet.read(root / GOLDEN_FILE)
    (root / MODEL_CARD_FILE).write_text(model.card.render(model, model_version, metrics, golden), encoding="utf-8")
    bundle.seal(root, _manifest(model, model_version, metrics))


def _manifest(model: ModelToExport, model_version: str, metrics: dict[str, float]) -> dict[str, object]:
    return {
        "schema_version": 1,
        "name": model.name,
        "version": model_version,
        "licence": model.licence,
        "source": {
            "description": model.source,
            "sha256": hashlib.sha256(model.weights_origin.read_bytes()).hexdigest(),
        },
        "input_kind": "image",
        "preprocessing": model.preprocessing,
        "classes": model.classes,
        "weights": WEIGHTS_FILE,
        "backends": {
            "openvino": {"program": OPENVINO_PROGRAM, "weights": OPENVINO_WEIGHTS, "precision": "fp32"},
            "torch": {"program": TORCH_PROGRAM, "precision": "fp32"},
        },
        "backend": "openvino",
        "metrics": metrics,
        "training_data": {"description": model.training_data, "digest": None},
        "code_revision": code_revision(),
        "library_versions": {name: version(name) for name in ("numpy", "openvino", "pillow", "safetensors", "torch")},
    }


def save_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Save an exported program without sample inputs (which are a pickle), dates and machine-dependent names."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    with zipfile.ZipFile(buffer) as saved, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(saved.namelist()):
            inner = name.split("/", 1)[1]
            entry = zipfile.ZipInfo(f"model/{inner}", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, b"" if inner.startswith("data/sample_inputs/") else saved.read(name))


def code_revision() -> str:
    """Return a digest of the sources that make bundles: what was exported by the same code has the same revision."""
    content = hashlib.sha256()
    packages = Path(__file__).parent.parent
    for path in sorted([*(packages / "bundle").rglob("*.py"), *(packages / "training").rglob("*.py")]):
        content.update(json.dumps([path.relative_to(packages).as_posix(), path.read_text(encoding="utf-8")]).encode())
    return f"sha256:{content.hexdigest()}"


def _import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry, which reports each conversion unless the user has opted out."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino  # noqa: PLC0415

    return openvino


def _openvino_predict(openvino: ModuleType, root: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    # Without the hint, CPUs that have bfloat16 use it, and differ from the reference by 0.01.
    compiled = openvino.Core().compile_model(root / OPENVINO_PROGRAM, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda batch: np.asarray(compiled(batch)[0])


def _torch_predict(root: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    loaded = torch.export.load(root / TORCH_PROGRAM).module()
    return lambda batch: loaded(torch.from_numpy(batch)).numpy()


def _parity(
    predict: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    reference: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    inputs: list[NDArray[np.float32]],
    backend: str,
) -> float:
    """Return the largest absolute difference of any probability over the golden inputs, batched and one by one."""
    batch = np.stack(inputs)
    difference = float(np.abs(predict(batch) - reference(batch)).max())
    for single in inputs:
        difference = max(difference, float(np.abs(predict(single[None]) - reference(single[None])).max()))
    if difference > PARITY_BOUND:
        raise ExportError(
            f"{backend} differs from the torch reference by {difference:.2g}; at most {PARITY_BOUND} is allowed"
        )
    return float(f"{difference:.3g}")
