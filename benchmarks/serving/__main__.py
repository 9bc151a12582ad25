"""Entry point of `python -m benchmarks.serving`."""

import datetime
import fnmatch
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import click

from benchmarks.serving import overload, report
from benchmarks.serving.contenders import CONTENDERS, Contender
from benchmarks.serving.inputs import CACHE, Inputs, prepare
from benchmarks.serving.plot import write_plot
from benchmarks.serving.processes import REPOSITORY
from benchmarks.serving.rounds import Result, run_rounds, try_configurations

CORES = 2
PAGE = "serving-benchmark"
_TRY_SECONDS = 4.0
_QUICK_SECONDS = 2.0


def _say(line: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {line}", err=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _selected(patterns: str | None) -> list[Contender]:
    if not patterns:
        return list(CONTENDERS)
    wanted = [pattern.strip() for pattern in patterns.split(",")]
    chosen = [each for each in CONTENDERS if any(fnmatch.fnmatch(each.name.lower(), one.lower()) for one in wanted)]
    if not chosen:
        names = ", ".join(each.name for each in CONTENDERS)
        raise click.UsageError(f"no contender is called {patterns!r}; there are {names}")
    return chosen


@click.command(
    epilog="Contenders are 'FRAMEWORK PIPELINE': eager (torch), int8 (OpenVINO and Pillow's draft), reader (this project's "
    "decoding and engine). Exit status: 0 measured, 1 a contender failed or a promise about overload broke, 2 wrong usage."
)
@click.option("--contenders", "patterns", help="Names or patterns, separated by commas, such as 'this server,*int8'.")
@click.option("--seconds", type=click.FloatRange(1, 600), default=8.0, show_default=True, help="Of each load.")
@click.option("--rounds", type=click.IntRange(1, 20), default=3, show_default=True)
@click.option("--quick", is_flag=True, help="One round of two seconds, first configurations; figures only indicate.")
@click.option("--overload", "test_overload", is_flag=True, help="Only this server, at twice its load for 60 s.")
@click.option("--overload-seconds", type=click.FloatRange(1, 600), default=60.0, show_default=True)
@click.option("--bundle", type=click.Path(path_type=Path, exists=True), help="An earlier export of the same network.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Directory of the page [default: docs; .cache/bench for --quick]."
)
def main(
    *,
    patterns: str | None,
    seconds: float,
    rounds: int,
    quick: bool,
    test_overload: bool,
    overload_seconds: float,
    bundle: Path | None,
    output: Path | None,
) -> None:
    """Compare this server with what else its users could pick, on two cores, and write the figures into the docs."""
    contenders = _selected(patterns)
    if quick:
        seconds = _QUICK_SECONDS
    output = output or (CACHE if quick or patterns else REPOSITORY / "docs")
    output.mkdir(parents=True, exist_ok=True)
    # Everything that is started inherits the cores and, from the terminal or a service manager, the interruption.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        if test_overload:
            _overload(prepare(bundle), overload_seconds, output)
        else:
            _compare(contenders, prepare(bundle), output, seconds=seconds, rounds=1 if quick else rounds, quick=quick)
    except KeyboardInterrupt:
        click.echo("Interrupted; nothing was written.", err=True)
        sys.exit(130)


def _overload(inputs: Inputs, seconds: float, output: Path) -> None:
    verdicts = overload.run(inputs, seconds, _say)
    figures = report.verdict_table(verdicts)
    click.echo(figures)
    _write_page(output, "overload", f"{datetime.date.today().isoformat()}, {seconds:g} s.\n\n{figures}")
    sys.exit(0 if all(verdict.held for verdict in verdicts) else 1)


def _compare(contenders: list[Contender], inputs: Inputs, output: Path, *, seconds: float, rounds: int, quick: bool) -> None:
    results = [Result(contender, contender.configurations[0]) for contender in contenders]
    for result in results:
        if result.contender.framework == "TorchServe" and not shutil.which("java"):
            result.problems.append("Java is not installed (Debian: apt-get install openjdk-17-jre-headless)")
    if not quick:
        _say("trying configurations")
        try_configurations([result for result in results if not result.problems], inputs, _TRY_SECONDS, _say)
    run_rounds(results, inputs, seconds, rounds, _say)
    machine = report.machine(seconds, rounds, datetime.date.today().isoformat())
    plot = output / f"{PAGE}.svg"
    write_plot(results, plot)
    (output / f"{PAGE}.json").write_text(report.as_json(results, machine), encoding="utf-8")
    figures = report.markdown(results, machine, plot.name, CORES)
    click.echo(figures)
    _write_page(output, "figures", figures)
    sys.exit(1 if any(result.problems for result in results) else 0)


def _write_page(output: Path, name: str, figures: str) -> None:
    page = output / f"{PAGE}.md"
    if not page.exists():
        page.write_text((REPOSITORY / "docs" / f"{PAGE}.md").read_text(encoding="utf-8"), encoding="utf-8")
    page.write_text(report.replace_figures(page.read_text(encoding="utf-8"), name, figures), encoding="utf-8")
    _say(f"wrote {page}")


if __name__ == "__main__":
    main()
