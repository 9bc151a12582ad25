"""BentoML. The photo comes as a form field that BentoML opens as a Pillow image or, as bytes, from the raw body.

BENCH_WORKERS: processes; BENCH_SERVICE_THREADS: requests that one of them handles at once; BENCH_BATCH: photos inferred
together at most (adaptive batching; 1: none).
"""

import os
from pathlib import Path
from typing import Annotated, Any

import bentoml

from benchmarks.serving.apps.pipeline import open_pipeline, top

BATCH = int(os.environ.get("BENCH_BATCH", "1"))
SETTINGS: dict[str, Any] = {
    "workers": int(os.environ["BENCH_WORKERS"]),
    "threads": int(os.environ.get("BENCH_SERVICE_THREADS", "1")),
    "traffic": {"timeout": 60},
    "logging": {"access": {"enabled": False}},
}


class _Service:
    def __init__(self) -> None:
        self._pipeline = open_pipeline()


if BATCH > 1:

    @bentoml.service(**SETTINGS)
    class Service(_Service):
        """Batches what several requests bring; each brings a list of one."""

        @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=60_000)
        def predict(self, images: list[Path]) -> list[list[dict[str, Any]]]:
            pixels = [self._pipeline.decode(image.read_bytes()) for image in images]
            return [top(row) for row in self._pipeline.predict(pixels)]

else:

    @bentoml.service(**SETTINGS)
    class Service(_Service):
        """Answers one request at a time in each thread."""

        @bentoml.api
        def predict(self, image: Annotated[Path, bentoml.validators.ContentType("image/jpeg")], /) -> list[dict[str, Any]]:
            return top(self._pipeline.predict([self._pipeline.decode(image.read_bytes())])[0])
