"""Command line of the inference package.

Exit status of `serve`: 0 ended by a signal, 2 wrong usage, 3 the bundle is not what it should be, 4 the backend cannot run
it, 5 the address cannot be listened on, 6 the model does not get ready or inference keeps failing.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import NoReturn, get_args

import click

from bundle import Bundle, BundleError, load
from bundle.manifest import BackendName
from inference.settings import Settings

EXIT_BAD_BUNDLE = 3
EXIT_NO_BACKEND = 4
EXIT_NO_ADDRESS = 5
EXIT_ENGINE = 6

_DEFAULTS = Settings()
_BACKENDS = click.Choice(get_args(BackendName))


def _fail(message: str, status: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(status)


def _load(directory: Path, digest: str | None = None, public_key: Path | None = None) -> Bundle:
    try:
        return load(directory, digest, public_key)
    except BundleError as error:
        _fail(f"bad bundle: {error}", EXIT_BAD_BUNDLE)
    except OSError as error:
        _fail(f"cannot read the bundle in {directory}: {error}", EXIT_BAD_BUNDLE)


def _http(_context: click.Context, _option: click.Parameter, url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise click.BadParameter("give an http:// or https:// URL")
    return url


def _statsd(_context: click.Context, _option: click.Parameter, address: str) -> str:
    host, _, port = address.rpartition(":")
    if address and not (host and port.isdigit() and 0 < int(port) < 65536):
        raise click.BadParameter("give host:port, such as 127.0.0.1:8125")
    return address


@click.group()
def main() -> None:
    """Serve a model bundle over HTTP."""


@main.command(
    context_settings={"auto_envvar_prefix": "PETTRACKER", "show_default": True},
    epilog="Each option is also read from an environment variable, such as PETTRACKER_BUNDLE. Exit status: 0 ended by "
    "a signal, 2 wrong usage, 3 bad bundle, 4 the backend cannot run it, 5 the address cannot be listened on, 6 the "
    "model does not get ready or inference keeps failing.",
)
@click.option(
    "--bundle", "directory", envvar="PETTRACKER_BUNDLE", type=click.Path(path_type=Path), required=True, help="Its directory."
)
@click.option("--bundle-digest", help="Pinned digest, sha256:…; without it the bundle's origin is not checked.")
@click.option(
    "--public-key",
    type=click.Path(path_type=Path),
    help="PEM file, or a list of keys (JSON); the bundle has to be signed with one. Without it no signature is asked for.",
)
@click.option("--program", help="Program of the bundle, instead of the one that it chose, such as openvino-fp32.")
@click.option("--address", default=_DEFAULTS.address, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=_DEFAULTS.port, help="TCP port; 0: any free one.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads [default: those that this process may use].")
@click.option(
    "--start-seconds",
    type=click.FloatRange(min=0.1),
    default=_DEFAULTS.start_seconds,
    help="For the model to load and warm up; then exit status 6.",
)
@click.option("--queue-size", type=click.IntRange(min=1), default=_DEFAULTS.queue_size, help="Predictions held at once.")
@click.option(
    "--deadline-seconds",
    type=click.FloatRange(min=0.1),
    default=_DEFAULTS.deadline_seconds,
    help="From a complete request to its answer; then 504.",
)
@click.option(
    "--body-seconds",
    type=click.FloatRange(min=0.1),
    default=_DEFAULTS.body_seconds,
    help="For a client to send its body; then 408.",
)
@click.option(
    "--max-body-bytes", type=click.IntRange(min=1), default=_DEFAULTS.max_body_bytes, help="Of one request; above it 413."
)
@click.option(
    "--max-held-bytes",
    type=click.IntRange(min=1),
    default=_DEFAULTS.max_held_bytes,
    help="Of all requests at once; above it 503.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    default=_DEFAULTS.max_pixels,
    help="Width times height of a photo; above it 413.",
)
@click.option(
    "--max-side", type=click.IntRange(min=1), default=_DEFAULTS.max_side, help="Width or height of a photo; above it 413."
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=0),
    default=_DEFAULTS.batch_size,
    help="Inputs inferred together at most; 0: the backend's choice.",
)
@click.option(
    "--batch-wait-seconds",
    type=click.FloatRange(0, 1),
    default=_DEFAULTS.batch_wait_seconds,
    help="A request's wait for others to join its batch.",
)
@click.option(
    "--drain-seconds",
    type=click.FloatRange(min=0),
    default=_DEFAULTS.drain_seconds,
    help="Of serving on after SIGTERM, while /ready says 503.",
)
@click.option("--statsd-address", callback=_statsd, default=_DEFAULTS.statsd_address, help="Where latencies go, host:port.")
@click.option("--instance-id", help="Name of this host in the logs.")
def serve(
    *,
    directory: Path,
    bundle_digest: str | None,
    public_key: Path | None,
    program: str | None,
    threads: int | None,
    instance_id: str | None,
    **limits: int | float | str,
) -> None:
    """Verify the bundle, listen, load the model, serve until SIGTERM.

    SIGTERM: /ready says 503 for --drain-seconds while requests are still served, then no connection is accepted, what
    is under way is answered, and the process ends. SIGINT skips the wait.
    """
    # --help and wrong usage answer at once; the server's imports take half a second.
    from inference import logs
    from inference.backends import BackendError
    from inference.cpus import usable_cpus
    from inference.engine import EngineError
    from inference.server import Server

    logs.configure({"instance_id": instance_id} if instance_id else {})
    settings = Settings(**limits)  # type: ignore[arg-type]
    try:
        bundle = _load(directory, bundle_digest, public_key)
        server = Server(bundle, program or bundle.manifest.program, threads or usable_cpus(), settings)
        asyncio.run(server.run())
    except BackendError as error:
        _fail(str(error), EXIT_NO_BACKEND)
    except EngineError as error:
        click.echo(f"Error: {error}", err=True)
        sys.stdout.flush()
        sys.stderr.flush()
        # A thread may hang in native code, and an orderly end would wait for it.
        os._exit(EXIT_ENGINE)
    except OSError as error:
        _fail(f"cannot listen on {settings.address} port {settings.port}: {error.strerror or error}", EXIT_NO_ADDRESS)


@main.command()
@click.option("--url", callback=_http, required=True, help="Base URL of the service, such as http://127.0.0.1:8080.")
@click.option("--bundle", "directory", type=click.Path(path_type=Path), required=True, help="The bundle to compare with.")
@click.option("--ca", type=click.Path(path_type=Path, exists=True), help="Certificates to trust, PEM.")
@click.option("--timeout", default=10.0, show_default=True, help="Seconds for each request.")
def check(url: str, directory: Path, ca: Path | None, timeout: float) -> None:
    """Send the bundle's golden inputs to a running server and compare the answers.

    Exit status: 0 they agree, 1 they differ or the server does not answer (each reason is printed), 2 wrong usage,
    3 bad bundle.
    """
    from inference.check import check as compare

    agreed = True
    for subject, problems in compare(url, _load(directory), timeout, ca):
        click.echo(f"{'differs' if problems else 'agrees '}  {subject}")
        for problem in problems:
            click.echo(f"         {problem}", err=True)
        agreed = agreed and not problems
    sys.exit(0 if agreed else 1)


@main.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--url", callback=_http, required=True, help="Base URL of the service, such as https://localhost:8443.")
@click.option("--ca", type=click.Path(path_type=Path, exists=True), help="Certificates to trust, PEM.")
@click.option("--timeout", default=30.0, show_default=True, help="Seconds to wait.")
def ask(file: Path, url: str, ca: Path | None, timeout: float) -> None:
    """Send FILE, an image or for models of features a .json file, to a running service and print the class."""
    from inference.ask import AskError, sentence
    from inference.ask import ask as send

    try:
        click.echo(sentence(send(url, file, timeout, ca)))
    except AskError as error:
        raise click.ClickException(str(error)) from None
