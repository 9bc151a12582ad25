"""Runs contenders in turn: a short try of each one's configurations, then rounds in alternating order."""

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.serving.contenders import BARE, Configuration, Contender
from benchmarks.serving.inputs import Inputs
from benchmarks.serving.load import closed_loop, open_loop, summary
from benchmarks.serving.processes import (
    REPOSITORY,
    ContenderError,
    Memory,
    free_port,
    processor_seconds,
    running,
    wait_until_answering,
)
from benchmarks.serving.statistics import Load, median_load, open_loop_rate

CLIENTS = {"small": 8, "large": 4}
WARM_UP_SECONDS = 2
LOADS = ("small", "large", "open")

Say = Callable[[str], None]


@dataclass
class Result:
    """What was measured of a contender: the loads of each round, by kind ("small", "large": closed loop; "open")."""

    contender: Contender
    configuration: Configuration
    rounds: dict[str, list[Load]] = field(default_factory=lambda: {kind: [] for kind in LOADS})
    memory_bytes: list[int] = field(default_factory=list)
    start_seconds: list[float] = field(default_factory=list)
    tried: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def median(self, kind: str) -> Load | None:
        return median_load(self.rounds[kind])


def environment(contender: Contender, configuration: Configuration, inputs: Inputs, port: int) -> dict[str, str]:
    """Return what a contender's service reads from its environment."""
    return {
        **configuration.environment,
        "BENCH_PIPELINE": contender.pipeline,
        "BENCH_BUNDLE": str(inputs.bundle),
        "BENCH_WEIGHTS": str(inputs.weights),
        "BENCH_PORT": str(port),
        # Those that report usage to their makers are asked not to.
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "1",
    }


def try_configurations(results: Sequence[Result], inputs: Inputs, seconds: float, say: Say) -> None:
    """Keep the fastest configuration of each contender that has several; `reader` takes over what `int8` found."""
    found: dict[str, Result] = {}
    for result in results:
        contender = result.contender
        if contender.pipeline == "reader" and contender.framework in found:
            result.configuration = found[contender.framework].configuration
            continue
        if len(contender.configurations) > 1:
            for configuration in contender.configurations:
                attempt = Result(contender, configuration)
                measure(attempt, inputs, ("small",), seconds, say)
                if attempt.rounds["small"]:
                    result.tried[configuration.label] = attempt.rounds["small"][0].requests_per_second
                else:
                    result.problems += [f"{configuration.label}: {problem}" for problem in attempt.problems]
            if result.tried:
                fastest = max(result.tried, key=result.tried.__getitem__)
                result.configuration = next(each for each in contender.configurations if each.label == fastest)
                say(f"{contender.name}: keeps '{fastest}'")
        if contender.pipeline == "int8":
            found[contender.framework] = result


def measure(
    result: Result, inputs: Inputs, kinds: Sequence[str], seconds: float, say: Say, *, best_peer: float | None = None
) -> None:
    """Start a contender, load it with each kind, and stop it; what goes wrong is kept in `result.problems`."""
    name, configuration = result.contender.name, result.configuration
    try:
        if result.contender.pipeline == BARE.pipeline:
            _measure_bare(result, inputs, kinds, seconds)
        else:
            _measure_service(result, inputs, kinds, seconds, best_peer)
    except (ContenderError, RuntimeError, OSError, subprocess.CalledProcessError) as error:
        result.problems.append(str(error))
        say(f"{name} ({configuration.label}): FAILED: {error}")
        return
    figures = [
        f"{kind} {load.requests_per_second:.1f}/s" + (f" p99 {load.p99 * 1000:.0f} ms" if load.p99 else "")
        for kind in kinds
        for load in result.rounds[kind][-1:]
    ]
    say(f"{name} ({configuration.label}): {', '.join(figures)}")


def _measure_bare(result: Result, inputs: Inputs, kinds: Sequence[str], seconds: float) -> None:
    for kind in kinds:
        if kind in CLIENTS:
            done = subprocess.run(
                [*result.contender.command, str(inputs.photos[kind]), str(seconds)],
                cwd=REPOSITORY,
                env={"PATH": "/usr/bin:/bin", **environment(result.contender, result.configuration, inputs, 0)},
                stdout=subprocess.PIPE,
                check=True,
                text=True,
            )
            result.rounds[kind].append(Load(**json.loads(done.stdout)))


def _measure_service(result: Result, inputs: Inputs, kinds: Sequence[str], seconds: float, best_peer: float | None) -> None:
    contender, port = result.contender, free_port()
    command = tuple(part.replace("{port}", str(port)).replace("{bundle}", str(inputs.bundle)) for part in contender.command)
    requests = {kind: inputs.request(kind, port, contender.path, contender.form_field) for kind in CLIENTS}
    with running(command, environment(contender, result.configuration, inputs, port)) as (pid, log, _):
        result.start_seconds.append(wait_until_answering(pid, log, requests["small"]))
        memory = Memory(pid)
        memory.start()
        try:
            for kind in kinds:
                if kind in CLIENTS:
                    closed_loop(requests[kind], CLIENTS[kind], WARM_UP_SECONDS)
                    before = processor_seconds(pid)
                    load = closed_loop(requests[kind], CLIENTS[kind], seconds)
                    cost = (processor_seconds(pid) - before) / max(load.requests_per_second * seconds, 1.0)
                    result.rounds[kind].append(replace(load, processor_seconds=cost))
                else:
                    rate = open_loop_rate(result.rounds["small"][-1].requests_per_second, best_peer)
                    answers = open_loop(requests["small"], rate, seconds)
                    result.rounds[kind].append(summary(answers, rate, seconds))
        finally:
            memory.end()
        result.memory_bytes.append(memory.peak_bytes)


def run_rounds(results: Sequence[Result], inputs: Inputs, seconds: float, rounds: int, say: Say) -> None:
    """Measure every contender `rounds` times, forwards and backwards in turn."""
    for number in range(1, rounds + 1):
        say(f"round {number} of {rounds}")
        peers = [rate for result in results if result.contender.is_peer for rate in _known_rates(result)]
        best_peer = max(peers, default=None)
        for result in results if number % 2 else results[::-1]:
            # A contender that never answered is not waited for again.
            if result.problems and not result.rounds["small"]:
                continue
            measure(result, inputs, LOADS, seconds, say, best_peer=best_peer)


def _known_rates(result: Result) -> list[float]:
    measured = [load.requests_per_second for load in result.rounds["small"]]
    return measured or list(result.tried.values())
