"""From a photo's bytes to probabilities, the same three ways for every contender.

- `eager`: what the documents of all of them show: Pillow decodes the whole photo, torchvision's transforms (written out
  here, since torchvision does not import beside this torch) resize, crop and normalise it, eager torch answers.
- `int8`: what a user writes who has been told about OpenVINO and DCT scaling: the bundle's int8 program, compiled with
  OpenVINO's own defaults, behind Pillow's `draft` decoding.
- `reader`: this project's decoding (`bundle.images.read_pixels`) and backend, so that only the server differs.

A service chooses with environment variables: BENCH_PIPELINE, BENCH_BUNDLE (directory), BENCH_WEIGHTS (safetensors of the
eager network), BENCH_THREADS (CPU threads of one process), BENCH_STREAMS (inferences of one process at once) and
BENCH_BATCH (inputs of one call at most).
"""

import io
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RESIZE = 256
CROP = 224
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
TOP_K = 5


class Pipeline(Protocol):
    """Decoding and inference, apart, so that a service can put them into different workers."""

    def decode(self, data: bytes) -> Any:
        """Turn a photo's bytes into one input of the network."""

    def predict(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        """Return probabilities of shape (len(inputs), classes)."""


def top(probabilities: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Return the five most probable classes, best first."""
    best = np.argsort(-probabilities)[:TOP_K]
    return [{"class_id": int(index), "confidence": float(probabilities[index])} for index in best]


def open_pipeline(with_model: bool = True) -> Pipeline:
    """Return the pipeline that the environment names; without a model, only `decode` may be called."""
    kind, threads = os.environ["BENCH_PIPELINE"], int(os.environ.get("BENCH_THREADS", "1"))
    if kind == "eager":
        return EagerPipeline(Path(os.environ["BENCH_WEIGHTS"]), threads, with_model)
    bundle = Path(os.environ["BENCH_BUNDLE"])
    if kind == "int8":
        return DraftPipeline(bundle, threads, with_model)
    return ReaderPipeline(bundle, threads, with_model)


def resize_and_crop(image: Image.Image) -> Image.Image:
    """Resize the shorter side to 256 pixels and take the middle 224x224: torchvision's Resize and CenterCrop."""
    scale = RESIZE / min(image.size)
    resized = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, upper = (resized.width - CROP) // 2, (resized.height - CROP) // 2
    return resized.crop((left, upper, left + CROP, upper + CROP))


class EagerPipeline:
    """Eager torch with torchvision-like transforms."""

    def __init__(self, weights: Path, threads: int, with_model: bool) -> None:
        import torch  # noqa: PLC0415 - half a gigabyte that the other pipelines do without

        from benchmarks.serving.network import eager_network  # noqa: PLC0415 - imports torch

        # A process that only decodes needs no more; the spinning threads of many processes starve each other.
        torch.set_num_threads(threads if with_model else 1)
        self._torch = torch
        self._mean, self._std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
        self._network = eager_network(weights) if with_model else None

    def decode(self, data: bytes) -> Any:
        pixels = np.array(resize_and_crop(Image.open(io.BytesIO(data)).convert("RGB")))
        tensor = self._torch.from_numpy(pixels).permute(2, 0, 1).contiguous().to(self._torch.float32).div(255)
        return (tensor - self._mean) / self._std

    def predict(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        with self._torch.inference_mode():
            answer: NDArray[np.float32] = self._torch.softmax(self._network(self._torch.stack(list(inputs))), dim=1).numpy()
        return answer


class DraftPipeline:
    """The bundle's int8 program in OpenVINO, with Pillow's scaled decoding."""

    def __init__(self, bundle: Path, threads: int, with_model: bool) -> None:
        self._compiled = None
        if with_model:
            import openvino  # noqa: PLC0415 - what only decodes does without

            programs = json.loads((bundle / "manifest.json").read_bytes())["programs"]
            core = openvino.Core()
            model = core.read_model(bundle / programs["openvino-int8"]["path"])
            if os.environ.get("BENCH_BATCH", "1") == "1":
                # OpenVINO's documents advise it: a fixed shape is faster.
                model.reshape([1, CROP, CROP, 3])
            # Processes that pin their threads would all pin them to the first core.
            options = {
                "NUM_STREAMS": int(os.environ.get("BENCH_STREAMS", "1")),
                "INFERENCE_NUM_THREADS": threads,
                "ENABLE_CPU_PINNING": False,
            }
            self._compiled = core.compile_model(model, "CPU", options)
        # An inference request takes one call at a time; a service may call from several threads.
        self._own = threading.local()

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        image = Image.open(io.BytesIO(data))
        image.draft("RGB", (RESIZE, RESIZE))
        return np.array(resize_and_crop(image.convert("RGB")))

    def predict(self, inputs: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        return np.array(self._own.request.infer([np.stack(inputs)])[0])


class ReaderPipeline:
    """This project's decoding and backend."""

    def __init__(self, bundle_directory: Path, threads: int, with_model: bool) -> None:
        import bundle  # noqa: PLC0415 - a peer as its documents make it knows nothing of this project
        from bundle.images import Limits, read_pixels  # noqa: PLC0415 - the same
        from inference.backends import open_backend  # noqa: PLC0415 - the same

        opened = bundle.load(bundle_directory)
        self._backend = open_backend(opened, "openvino-int8", threads) if with_model else None
        self._streams = threading.Semaphore(self._backend.streams if self._backend else 1)
        self._read, self._preprocessing, self._limits = read_pixels, opened.manifest.input.preprocessing, Limits()

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        return self._read(data, self._preprocessing, self._limits)

    def predict(self, inputs: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        with self._streams:
            return self._backend.predict(np.stack(inputs))
