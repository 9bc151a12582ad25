"""Decoding and inference without HTTP, as fast as threads can: the bound for every server around this engine.

Usage: python -m benchmarks.serving.bare PHOTO SECONDS. BENCH_BUNDLE, BENCH_BARE_THREADS and BENCH_BATCH are read from the
environment. Prints one JSON object.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np

import bundle
from benchmarks.serving.contenders import PROGRAM
from bundle.images import Limits, read_pixels
from inference.backends import open_backend
from inference.cpus import usable_cpus


def images_per_second(directory: Path, photo: bytes, seconds: float, threads: int, batch: int) -> tuple[float, float]:
    """Let `threads` threads decode and infer, each `batch` photos together.

    Returns:
        Photos a second, and the seconds of processor time that one took.
    """
    opened = bundle.load(directory)
    backend = open_backend(opened, PROGRAM, usable_cpus())
    streams = threading.Semaphore(backend.streams)
    counts = [0] * threads
    warm, end = threading.Barrier(threads + 1), [float("inf")]

    def work(number: int) -> None:
        preprocessing, limits = opened.manifest.input.preprocessing, Limits()

        def answer() -> None:
            pixels = np.stack([read_pixels(photo, preprocessing, limits) for _ in range(batch)])
            with streams:
                backend.predict(pixels)

        answer()
        warm.wait()
        while time.perf_counter() < end[0]:
            answer()
            counts[number] += batch

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(threads)]
    for worker in workers:
        worker.start()
    warm.wait()
    started, processor = time.perf_counter(), time.process_time()
    end[0] = started + seconds
    for worker in workers:
        worker.join()
    spent = time.process_time() - processor
    return sum(counts) / (time.perf_counter() - started), spent / sum(counts)


def main() -> None:
    photo, seconds = Path(sys.argv[1]).read_bytes(), float(sys.argv[2])
    threads, batch = int(os.environ["BENCH_BARE_THREADS"]), int(os.environ["BENCH_BATCH"])
    rate, cost = images_per_second(Path(os.environ["BENCH_BUNDLE"]), photo, seconds, threads, batch)
    print(json.dumps({"requests_per_second": rate, "processor_seconds": cost}))


if __name__ == "__main__":
    main()
