"""How often the judge of rollouts is wrong while other load comes in bursts, and how often the former one was.

Each sample is what was seen of four services of this repository on one machine: two unchanged ones, and two that answer a third
more slowly, because they compute or because they wait longer. A rollout of each to one of the unchanged ones is judged from
that: beside the old host, and once more at 100 %, when no old host is left.
"""

import json
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.judge import former, replay
from benchmarks.judge.hosts import SLOWER, UNCHANGED
from benchmarks.judge.record import Sample, record

SAMPLES = Path(__file__).with_name("samples.json")
WAYS: dict[str, Callable[[list[Sample], int, str], bool]] = {
    "one after the other (formerly)": former.rejects,
    "in the same rounds": replay.rejects,
}


def read(file: Path = SAMPLES) -> list[Sample]:
    """Return recorded samples."""
    samples: list[Sample] = json.loads(file.read_text())
    return samples


def rejected(samples: list[Sample], rejects: Callable[[list[Sample], int, str], bool], release: str) -> int:
    """Return how many rollouts of a release are rejected, one for each sample."""
    return sum(rejects(samples, number, release) for number in range(len(samples)))


@click.command(help=__doc__)
@click.option("--record", "count", type=click.IntRange(2, 100), help="See so many samples anew, some two minutes each.")
@click.option("--bundle", type=click.Path(path_type=Path, exists=True), help="What the services serve.")
@click.option("--output", type=click.Path(path_type=Path), default=SAMPLES, help="Where samples are kept.")
def main(count: int | None, bundle: Path | None, output: Path) -> None:
    """Print a table of both ways."""
    if count:
        if bundle is None:
            raise click.UsageError("--record needs --bundle, such as .cache/bench/pets/bundle")
        seen = []
        for sample in record(bundle, count):
            seen.append(sample)
            click.echo(f"sample {len(seen)} of {count}", err=True)
            output.write_text(json.dumps(seen, separators=(",", ":")) + "\n")
    samples = read(output)
    click.echo(f"rejected of {len(samples)}{'':<17}" + "".join(f"{release:>18}" for release in (UNCHANGED, *SLOWER)))
    for way, rejects in WAYS.items():
        counts = [rejected(samples, rejects, release) for release in (UNCHANGED, *SLOWER)]
        click.echo(f"{way:<31}" + "".join(f"{number:>18}" for number in counts))


if __name__ == "__main__":
    main()
