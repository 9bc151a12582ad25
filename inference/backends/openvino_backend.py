"""OpenVINO on the CPU."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle import Bundle

# Importing the telemetry of OpenVINO's converter, which serving never calls, costs a twentieth of a second.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402


class OpenVinoBackend:
    """A compiled model with one inference request, reused."""

    def __init__(self, request: Any) -> None:
        self._request = request

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array(self._request.infer([batch])[0])


def open_backend(bundle: Bundle, threads: int) -> OpenVinoBackend:
    """Compile the bundle's OpenVINO IR. A model cache would save 0.13 s of 0.2 s and need a writable directory."""
    program = bundle.manifest.backends["openvino"]
    core = openvino.Core()
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        # Otherwise CPUs that have bfloat16 use it, and answers (by 0.01) depend on the host's type.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    weights = str(bundle.path(program.weights)) if program.weights else ""
    model = core.read_model(str(bundle.path(program.program)), weights)
    return OpenVinoBackend(core.compile_model(model, "CPU", options).create_infer_request())
