"""What batches and waiting for them give: the engine and the decoder of the service, without HTTP.

Callers, each with one request at a time, decode a photo and infer it. The ways of batching are measured in turn, several
times over, so that a noisy machine hits all of them; the ratio of a round is against `single` in the same round, and the
median of the rounds is printed. CPU seconds are less noisy than the clock.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from bundle import Bundle, load
from bundle.images import Limits
from inference.backends import Backend, open_backend
from inference.cpus import usable_cpus
from inference.decode import Decoder
from inference.engine import Engine
from inference.metrics import Metrics
from inference.server import warm_up

PHOTO = Path(__file__).parents[1] / "tests" / "data" / "cat.jpg"
BASE = "single"


@dataclass(frozen=True)
class Way:
    """Largest batch (0: the backend's choice) and how long an input waits for others, in seconds."""

    batch: int
    wait_seconds: float


WAYS = {BASE: Way(1, 0), "batches": Way(0, 0), "2 ms wait": Way(0, 0.002), "10 ms wait": Way(0, 0.01)}


@dataclass(frozen=True)
class Round:
    """One way, measured once: answers per second, CPU milliseconds per answer, median and 99th percentile in ms."""

    rate: float
    cpu: float
    p50: float
    p99: float
    batch: float


class Contender:
    """A decoder and an engine, as the server wires them."""

    def __init__(self, backend: Backend, decoder: Decoder, way: Way) -> None:
        self._decoder = decoder
        self.metrics = Metrics()
        self._engine = Engine(backend, self.metrics, wait_seconds=way.wait_seconds)

    async def answer(self, photo: bytes) -> float:
        """Return the seconds that one request took."""
        started = time.perf_counter()
        await self._engine.predict(lambda: self._decoder.read(photo))
        return time.perf_counter() - started

    def close(self) -> None:
        self._engine.close()


async def measure(contender: Contender, callers: int, seconds: float, photo: bytes) -> Round:
    """Keep the callers busy for a time."""
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def call() -> None:
        while time.perf_counter() < end:
            taken.append(await contender.answer(photo))

    cpu, started = time.process_time(), time.perf_counter()
    before = _batches(contender.metrics)
    await asyncio.gather(*(call() for _ in range(callers)))
    clock, batches = time.perf_counter() - started, _batches(contender.metrics) - before
    ordered = sorted(taken)
    return Round(
        len(taken) / clock,
        1000 * (time.process_time() - cpu) / len(taken),
        1000 * statistics.median(ordered),
        1000 * ordered[int(len(ordered) * 0.99)],
        len(taken) / batches,
    )


def _batches(metrics: Metrics) -> float:
    (family,) = metrics.histogram("batch_size").collect()
    return next(sample.value for sample in family.samples if sample.name.endswith("_count"))


@contextmanager
def contenders(root: Path, program: str | None, threads: int) -> Iterator[dict[str, Contender]]:
    """Open each way around programs of its own."""
    bundle = load(root)
    wanted = bundle.manifest.input
    if wanted.kind != "image":
        raise click.ClickException("this compares batches of photos; the bundle takes features")
    decoder = Decoder(wanted.preprocessing, Limits())
    backends = {batch: _open(bundle, program, threads, batch) for batch in {way.batch for way in WAYS.values()}}
    opened = {name: Contender(backends[way.batch], decoder, way) for name, way in WAYS.items()}
    try:
        yield opened
    finally:
        for contender in opened.values():
            contender.close()
        decoder.close()


def _open(bundle: Bundle, program: str | None, threads: int, batch: int) -> Backend:
    backend = open_backend(bundle, program or bundle.manifest.program, threads, batch)
    warm_up(backend, bundle)
    return backend


@click.command(help=__doc__)
@click.option("--bundle", "root", type=click.Path(path_type=Path), required=True)
@click.option("--program", help="Instead of the bundle's choice.")
@click.option("--threads", default=usable_cpus(), show_default=True, type=click.IntRange(min=1))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 100))
@click.option("--seconds", default=1.0, show_default=True, type=click.FloatRange(0.1, 60), help="Of each measurement.")
def main(root: Path, program: str | None, threads: int, rounds: int, seconds: float) -> None:
    """Print a table for each number of callers."""
    photo = PHOTO.read_bytes()
    with contenders(root, program, threads) as opened:
        for callers in (1, 8, 32):
            measured: dict[str, list[Round]] = {name: [] for name in opened}
            for _ in range(rounds):
                for name, contender in opened.items():
                    measured[name].append(asyncio.run(measure(contender, callers, seconds, photo)))
            click.echo(f"{callers} callers   answers/s   ratio   CPU ms   ratio   p50 ms   ratio   p99 ms   inputs/batch")
            for name, of in measured.items():
                click.echo(_line(name, of, measured[BASE]))


def _line(name: str, of: list[Round], base: list[Round]) -> str:
    def median(figure: str) -> float:
        return statistics.median(getattr(one, figure) for one in of)

    def ratio(figure: str) -> float:
        return statistics.median(getattr(a, figure) / getattr(b, figure) for a, b in zip(of, base, strict=True))

    return (
        f"{name:<11} {median('rate'):10.1f} {ratio('rate'):7.2f} {median('cpu'):8.2f} {ratio('cpu'):7.2f}"
        f" {median('p50'):8.1f} {ratio('p50'):7.2f} {median('p99'):8.1f} {median('batch'):14.2f}"
    )


if __name__ == "__main__":
    main()
