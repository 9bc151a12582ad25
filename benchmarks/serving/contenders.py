"""Who is compared: commands, and the configurations of which each is tried and the best kept."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

BIN = Path(sys.executable).parent
# Named, as the bundle itself does not choose int8: with random weights its answers are off by too much.
PROGRAM = "openvino-int8"
_APPS = "benchmarks.serving.apps"


@dataclass(frozen=True)
class Configuration:
    """Settings that a contender's service reads from its environment, and how the tables call them."""

    label: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """A service to start and load.

    Attributes:
        name: unique; the framework and the pipeline.
        pipeline: one of `apps/pipeline.py`, "own" for this project's server, "bare" for no server at all.
        command: arguments; {port}, {scratch} and {bundle} are filled in.
        path: where photos are posted.
        form_field: name of the multipart field that takes the photo; None where the body is the photo.
        configurations: what is tried; the first is used when nothing is tried.
    """

    name: str
    framework: str
    pipeline: str
    command: tuple[str, ...]
    path: str = "/predict"
    form_field: str | None = None
    configurations: tuple[Configuration, ...] = (Configuration("defaults"),)

    @property
    def is_peer(self) -> bool:
        """Whether it is another server around the engine of this project's."""
        return self.pipeline in ("int8", "reader")


def _configuration(label: str, **environment: int) -> Configuration:
    return Configuration(label, {f"BENCH_{name.upper()}": str(value) for name, value in environment.items()})


_COMMANDS: dict[str, tuple[str, ...]] = {
    "LitServe": (str(BIN / "python"), "-m", f"{_APPS}.litserve_app"),
    "BentoML": (str(BIN / "bentoml"), "serve", f"{_APPS}.bentoml_app:Service", "--host", "127.0.0.1", "--port", "{port}"),
    "mosec": (
        *(str(BIN / "python"), "-m", f"{_APPS}.mosec_app", "--address", "127.0.0.1", "--port", "{port}"),
        *("--timeout", "30000", "--log-level", "error"),
    ),
    "TorchServe": (str(BIN / "python"), "-m", f"{_APPS}.torchserve_app", "{scratch}"),
}
_PATHS = {"mosec": "/inference", "TorchServe": "/predictions/resnet"}

# Eager torch, with batches of eight as the documents of each show them and torch's own number of threads.
_EAGER = {
    "LitServe": _configuration("1 worker, batch 8", workers=1, batch=8, threads=2),
    "BentoML": _configuration("1 worker, adaptive batches to 8", workers=1, batch=8, threads=2),
    "mosec": _configuration("2 decoders, 1 worker, batch 8", decoders=2, workers=1, batch=8, threads=2),
    "TorchServe": _configuration("2 workers of one thread, batch 8", workers=2, batch=8, threads=1),
}
_INT8 = {
    "LitServe": (
        _configuration("2 workers of one thread", workers=2, threads=1),
        _configuration("2 workers of one thread, fast_queue", workers=2, threads=1, fast_queue=1),
        _configuration("3 workers of one thread, fast_queue", workers=3, threads=1, fast_queue=1),
        _configuration("1 worker, batch 8, two threads", workers=1, batch=8, threads=2),
    ),
    "BentoML": (
        _configuration("2 workers of one thread", workers=2, threads=1),
        _configuration("2 workers, 2 requests each", workers=2, threads=1, service_threads=2),
        _configuration("1 worker, 4 requests, two streams", workers=1, threads=2, streams=2, service_threads=4),
    ),
    "mosec": (
        _configuration("2 workers of one thread", workers=2, threads=1),
        _configuration("3 workers of one thread", workers=3, threads=1),
        _configuration("2 decoders, 2 workers of one thread", decoders=2, workers=2, threads=1),
        _configuration("2 decoders, 1 worker, batch 4, two threads", decoders=2, workers=1, batch=4, threads=2),
    ),
    "TorchServe": (
        _configuration("2 workers of one thread", workers=2, threads=1),
        _configuration("3 workers of one thread", workers=3, threads=1),
        _configuration("2 workers of one thread, batch 4", workers=2, threads=1, batch=4),
    ),
}


def _framework(name: str, pipeline: str, configurations: tuple[Configuration, ...]) -> Contender:
    return Contender(
        name=f"{name} {pipeline}",
        framework=name,
        pipeline=pipeline,
        command=_COMMANDS[name],
        path=_PATHS.get(name, "/predict"),
        form_field="images" if name == "BentoML" and pipeline == "eager" else None,
        configurations=configurations,
    )


OURS = Contender(
    name="this server",
    framework="this server",
    pipeline="own",
    command=(
        *(str(BIN / "python"), "-m", "inference", "serve", "--bundle", "{bundle}", "--port", "{port}"),
        *("--program", PROGRAM, "--drain-seconds", "0"),
    ),
)
FLASK = Contender(
    name="Flask eager",
    framework="Flask",
    pipeline="eager",
    command=(
        *(str(BIN / "gunicorn"), "--workers", "2", "--threads", "4", "--timeout", "120", "--bind", "127.0.0.1:{port}"),
        f"{_APPS}.flask_app:app",
    ),
    form_field="file",
    configurations=(_configuration("gunicorn, 2 workers x 4 threads", threads=2),),
)
BARE = Contender(
    name="no server",
    framework="no server",
    pipeline="bare",
    command=(str(BIN / "python"), "-m", "benchmarks.serving.bare"),
    configurations=(
        _configuration("2 threads, batch 1", bare_threads=2, batch=1),
        _configuration("3 threads, batch 1", bare_threads=3, batch=1),
        _configuration("4 threads, batch 1", bare_threads=4, batch=1),
        _configuration("2 threads, batch 4", bare_threads=2, batch=4),
        _configuration("3 threads, batch 4", bare_threads=3, batch=4),
    ),
)
CONTENDERS: tuple[Contender, ...] = (
    OURS,
    BARE,
    FLASK,
    *(_framework(name, "eager", (configuration,)) for name, configuration in _EAGER.items()),
    *(_framework(name, "int8", configurations) for name, configurations in _INT8.items()),
    *(_framework(name, "reader", configurations) for name, configurations in _INT8.items()),
)
