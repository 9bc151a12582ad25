"""The reference program: torch's exported program, without anything that could run code or that names the machine."""

import io
import zipfile
from pathlib import Path

import torch

from bundle.exported_program import read_exported_program
from training.export.measure import Predict

# Bounds of the batch dimension, for which torch.export specialises nothing.
MAX_BATCH = 64
# Node metadata that names files of the exporting machine, and is of no use to the runtime.
_TRACE_METADATA = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")


def trace(network: torch.nn.Module, example: torch.Tensor) -> torch.export.ExportedProgram:
    """Trace a network for batches of 1 to MAX_BATCH items such as those of `example` (a batch of two)."""
    program = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=MAX_BATCH)},))
    for node in program.graph.nodes:
        for key in _TRACE_METADATA:
            node.meta.pop(key, None)
    return program


def save_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Save an exported program without sample inputs (which are a pickle), dates and machine-dependent names."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(buffer) as saved, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(saved.namelist()):
            inner = name.split("/", 1)[1]
            entry = zipfile.ZipInfo(f"model/{inner}", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, b"" if inner.startswith("data/sample_inputs/") else saved.read(name))


def predictor(path: Path) -> Predict:
    """Load a saved program as the service does.

    Raises:
        BundleError: the service would refuse it, for an operator that it does not know.
    """
    loaded = torch.export.load(read_exported_program(path, path.name)).module()
    return lambda batch: loaded(torch.from_numpy(batch)).numpy()
