"""OpenVINO on the CPU: one stream, of one thread, for each core.

Every batch size is a program of its own, compiled for exactly that shape. With a dynamic shape, a single input costs 13 %
more time, and OpenVINO 2026.4 corrupts the heap: with ResNet-50 in int8, within seconds.
"""

import sys
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle import Bundle
from bundle.manifest import Program
from inference.backends import DEFAULT_BATCH, batch_sizes

# Importing the telemetry of OpenVINO's converter, which serving never calls, costs a twentieth of a second.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402 - only now does it find no telemetry

# Each compiled program holds its own copy of the weights. Above this many bytes of weights only single inputs are run:
# batches gain nothing in fp32, which is what so large a network of this service would be.
_LARGE_WEIGHTS = 64 * 1024 * 1024


class OpenVinoBackend:
    """A compiled program for each batch size.

    Args:
        compiled: the programs, by batch size.
        streams: inferences that may run at once.
    """

    def __init__(self, compiled: dict[int, Any], streams: int) -> None:
        self.streams = streams
        self.batch_sizes = tuple(sorted(compiled))
        self.max_batch = self.batch_sizes[-1]
        self._requests = {size: _Requests(program) for size, program in compiled.items()}

    def predict(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        answers, start = [], 0
        while start < len(batch):
            size = next(size for size in reversed(self.batch_sizes) if size <= len(batch) - start)
            answers.append(self._requests[size].infer(batch[start : start + size]))
            start += size
        return answers[0] if len(answers) == 1 else np.concatenate(answers)


class _Requests:
    """Inference requests of one compiled program, reused. A call that never returns keeps its own."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._free: deque[Any] = deque()

    def infer(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        try:
            request = self._free.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            answer: NDArray[np.float32] = request.infer([batch], share_inputs=True)[0]
        finally:
            self._free.append(request)  # One whose inference failed can be used again.
        return answer


def open_backend(bundle: Bundle, program: Program, threads: int, batch: int) -> OpenVinoBackend:
    """Compile the bundle's OpenVINO IR. A model cache would save half of that time and need a writable directory."""
    weights = bundle.path(program.weights) if program.weights else None
    if not batch:
        large = weights is not None and weights.stat().st_size > _LARGE_WEIGHTS
        batch = 1 if large else DEFAULT_BATCH
    core = openvino.Core()
    model = core.read_model(str(bundle.path(program.path)), str(weights or ""))
    item = bundle.manifest.input.shape

    def compiled(size: int) -> Any:
        model.reshape(openvino.PartialShape([size, *item]))
        options = {
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            # A host's two CPUs may be the two threads of one core; both are meant.
            "ENABLE_HYPER_THREADING": True,
            # Programs would be pinned to the same cores, and decoding shares them.
            "ENABLE_CPU_PINNING": False,
            # Otherwise CPUs that have bfloat16 use it, and answers (by 0.01) depend on the host's type.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        return core.compile_model(model, "CPU", options)

    backend = OpenVinoBackend({size: compiled(size) for size in batch_sizes(batch)}, threads)
    # OpenVINO's Python binding fills tables of its own during the first inference; two threads that do so at once wait for
    # each other for ever, one for the table and one for the interpreter's lock. So the first inference runs alone.
    backend.predict(np.zeros((1, *item), bundle.manifest.input.dtype))
    return backend
