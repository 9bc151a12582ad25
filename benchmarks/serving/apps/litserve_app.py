"""LitServe. The photo comes as the raw body, which costs less than the JSON with base64 of its examples.

BENCH_WORKERS: worker processes; BENCH_BATCH: photos inferred together at most; BENCH_API_SERVERS: HTTP processes;
BENCH_FAST_QUEUE: 1 for its ZeroMQ queue.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import litserve
import numpy as np
from fastapi import Depends, Request

from benchmarks.serving.apps.pipeline import open_pipeline, top

BATCH = int(os.environ.get("BENCH_BATCH", "1"))


async def raw_body(request: Request) -> bytes:
    return await request.body()


class Service(litserve.LitAPI):
    """One worker: decodes and infers."""

    def setup(self, device: str) -> None:
        self._pipeline = open_pipeline()
        self._decoders = ThreadPoolExecutor(2)

    def decode_request(self, request: Annotated[bytes, Depends(raw_body)]) -> Any:
        # In a batch the loop decodes one photo after the other; it is left to `batch`, which can use threads.
        return request if BATCH > 1 else self._pipeline.decode(request)

    def batch(self, inputs: list[bytes]) -> list[Any]:
        return list(self._decoders.map(self._pipeline.decode, inputs))

    def predict(self, x: Any) -> Any:
        return self._pipeline.predict(x) if BATCH > 1 else self._pipeline.predict([x])[0]

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return list(output)

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        return {"predictions": top(output)}


if __name__ == "__main__":
    server = litserve.LitServer(
        Service(max_batch_size=BATCH, batch_timeout=0.01 if BATCH > 1 else 0.0),
        accelerator="cpu",
        devices=1,
        workers_per_device=int(os.environ["BENCH_WORKERS"]),
        fast_queue=os.environ.get("BENCH_FAST_QUEUE") == "1",
        timeout=60,
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        num_api_servers=int(os.environ.get("BENCH_API_SERVERS", "1")),
        log_level="warning",
        generate_client_file=False,
    )
