"""Records what the judge sees of services on this machine while other load comes in bursts."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

from ansible_collections.pettracker.aws.plugins.module_utils.evidence.probing import Input, ask, golden_inputs
from ansible_collections.pettracker.aws.plugins.modules import service_evidence

from benchmarks.judge.hosts import HOSTS, bursts, services

# Seconds from round to round, as in the rehearsal. The former judge asked each input twenty times, and two hosts, not four.
INTERVAL, ROUNDS, FORMER_PROBES = 2.0, 20, 5


class Sample(TypedDict):
    """What was seen of the services in one stretch of time.

    Attributes:
        together: by service and round, for each golden input the three figures of probing.Seen.rounds in seconds.
        in_turn: by service, for each golden input latencies in seconds; one service was asked after the other.
    """

    together: dict[str, dict[str, list[list[float]]]]
    in_turn: dict[str, list[list[float]]]


def record(bundle: Path, samples: int) -> Iterator[Sample]:
    """Yield so many samples, one after the other."""
    with services(bundle) as addresses, tempfile.TemporaryDirectory() as directory, bursts(samples):
        for _ in range(samples):
            together = _together(bundle, addresses, Path(directory))
            yield Sample(together=together, in_turn=_in_turn(bundle, addresses))


def _together(bundle: Path, addresses: dict[str, str], directory: Path) -> dict[str, dict[str, list[list[float]]]]:
    evidence, inputs = service_evidence, golden_inputs(bundle)
    parameters: dict[str, dict[str, Any]] = {
        name: {
            **{"url": addresses[name], "bundle": str(bundle), "directory": str(directory / name), "timeout": 10.0},
            **{"interval": INTERVAL, "slot": (place + 0.5) / len(HOSTS), "seconds": 600.0},
            **{"check": [], "check_timeout": 10.0},
        }
        for place, name in enumerate(HOSTS)
    }
    for one in parameters.values():
        evidence.start(one)
    time.sleep(INTERVAL * ROUNDS)
    watched = {name: evidence.collect(one)["watched"] for name, one in parameters.items()}
    return {
        # The last one may have been cut short.
        name: {number: _figures(taken, inputs) for number, taken in seen["rounds"].items() if len(taken) == len(inputs)}
        for name, seen in watched.items()
    }


def _figures(taken: dict[str, list[float]], inputs: list[Input]) -> list[list[float]]:
    return [[round(seconds, 4) for seconds in taken[one.digest]] for one in inputs]


def _in_turn(bundle: Path, addresses: dict[str, str]) -> dict[str, list[list[float]]]:
    inputs = golden_inputs(bundle)
    return {name: _latencies(address, inputs) for name, address in addresses.items()}


def _latencies(address: str, inputs: list[Input]) -> list[list[float]]:
    found: list[list[float]] = [[] for _ in inputs]
    for one, latencies in list(zip(inputs, found, strict=True)) * FORMER_PROBES:
        begin = time.perf_counter()
        status, body = ask(f"{address}/predict", 10, one.content, one.kind)
        if status != 200:
            raise RuntimeError(f"{address} answered {status}: {body[:200]!r}")
        latencies.append(round(time.perf_counter() - begin, 4))
    return found
