"""Servers with the page, whose log is read all the time: a page asks often, and a full pipe would stop its server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from tests.inference.servers import Running, start


@contextmanager
def site(bundle: Path, *options: str) -> Iterator[Running]:
    """Run a server that is ready, and stop it afterwards."""
    running = start(bundle, "--drain-seconds", "0", *options)
    running.wait_for("ready")
    assert running.process.stdout is not None
    reader = Thread(target=running.process.stdout.read)
    reader.start()
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait(30)
        reader.join()
        running.process.stdout.close()
