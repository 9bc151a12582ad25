"""mosec, with one stage of whole pipelines, or with decoding and batched inference in stages of their own.

BENCH_WORKERS: processes that infer; BENCH_DECODERS: processes that decode (0: those that infer do); BENCH_BATCH: photos
inferred together at most.
"""

import os
import pickle
from typing import Any

import mosec

from benchmarks.serving.apps.pipeline import open_pipeline, top

WORKERS = int(os.environ["BENCH_WORKERS"])
DECODERS = int(os.environ.get("BENCH_DECODERS", "0"))
BATCH = int(os.environ.get("BENCH_BATCH", "1"))
BATCH_WAIT_MILLISECONDS = 5


class Decode(mosec.Worker):
    """The first stage: a photo's bytes in, pixels out."""

    def __init__(self) -> None:
        self._pipeline = open_pipeline(with_model=False)

    def deserialize(self, data: bytes) -> bytes:
        return data

    def serialize_ipc(self, data: Any) -> bytes:
        return pickle.dumps(data, protocol=5)

    def forward(self, data: bytes) -> Any:
        return self._pipeline.decode(data)


class Infer(mosec.Worker):
    """The last stage: pixels in, classes out, in batches."""

    def __init__(self) -> None:
        self._pipeline = open_pipeline()

    def forward(self, data: Any) -> Any:
        inputs = data if BATCH > 1 else [data]
        answers = [{"predictions": top(row)} for row in self._pipeline.predict(inputs)]
        return answers if BATCH > 1 else answers[0]


class Whole(Infer):
    """The only stage: decodes and infers."""

    def deserialize(self, data: bytes) -> Any:
        return self._pipeline.decode(data)


if __name__ == "__main__":
    server = mosec.Server()
    if DECODERS:
        server.append_worker(Decode, num=DECODERS)
    server.append_worker(Infer if DECODERS else Whole, num=WORKERS, max_batch_size=BATCH, max_wait_time=BATCH_WAIT_MILLISECONDS)
    server.run()
