"""The HTTP application: which path does what."""

import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files

from tornado.web import Application, RequestHandler

from inference.handlers import JsonHandler, NotFoundHandler, observe, require_loopback
from inference.metrics import CONTENT_TYPE
from inference.openapi import document
from inference.predict import PredictHandler, Predictor

_PAGE_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
}
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class HealthHandler(JsonHandler):
    """GET /health: the process is alive, whatever the model does."""

    def get(self) -> None:
        self.write_json({"status": "alive"})


class ReadyHandler(JsonHandler):
    """GET /ready: new traffic is welcome. What the load balancer asks."""

    def initialize(self, predictor: Predictor) -> None:
        self._state = predictor.state

    def get(self) -> None:
        self._state.check_ready()
        self.write_json({"status": self._state.phase})


class AcceptHandler(JsonHandler):
    """PUT /health/ready: take traffic (again). Loopback only."""

    def initialize(self, predictor: Predictor) -> None:
        self._state = predictor.state

    def put(self) -> None:
        require_loopback(self.request)
        self._state.accept()
        self.write_json({"status": self._state.phase})


class DrainHandler(JsonHandler):
    """PUT /health/drain: ask for no more traffic, but serve what comes. Loopback only."""

    def initialize(self, predictor: Predictor) -> None:
        self._state = predictor.state

    def put(self) -> None:
        require_loopback(self.request)
        self._state.check_serving()
        self._state.drain()
        self.write_json({"status": self._state.phase})


class VersionHandler(JsonHandler):
    """GET /version: which model and which code answer."""

    def initialize(self, predictor: Predictor, backend: str, threads: int) -> None:
        self._document = {
            "service": {"name": "pettracker-ml", "version": _own_version()},
            "model": predictor.model,
            "backend": {"name": backend, "version": version(backend), "threads": threads},
            "python": platform.python_version(),
        }

    def get(self) -> None:
        self.write_json(self._document)


class MetricsHandler(JsonHandler):
    """GET /metrics: Prometheus text format."""

    def initialize(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(self._predictor.metrics.exposition())


class OpenApiHandler(JsonHandler):
    """GET /openapi.json: this interface, as OpenAPI 3.1."""

    def initialize(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def get(self) -> None:
        self.write_json(document(self._predictor.settings))


class PageHandler(JsonHandler):
    """GET /: a page to drop a photo on, and its two files."""

    def get(self, name: str) -> None:
        name = name or "index.html"
        self.set_header("Content-Type", _PAGE_TYPES[name])
        self.set_header("Content-Security-Policy", _PAGE_POLICY)
        self.set_header("Referrer-Policy", "no-referrer")
        self.finish((files("inference") / "page" / name).read_bytes())


def application(predictor: Predictor, backend: str, threads: int) -> Application:
    """Build the application.

    Args:
        backend: name of the engine, as /version tells it.
        threads: CPU threads of one inference, as /version tells it.
    """
    shared = {"predictor": predictor}
    routes = [
        (r"/predict", PredictHandler, shared),
        (r"/health", HealthHandler, {}),
        (r"/ready", ReadyHandler, shared),
        (r"/health/ready", AcceptHandler, shared),
        (r"/health/drain", DrainHandler, shared),
        (r"/version", VersionHandler, {**shared, "backend": backend, "threads": threads}),
        (r"/metrics", MetricsHandler, shared),
        (r"/openapi.json", OpenApiHandler, shared),
        (r"/(|page\.css|page\.js)", PageHandler, {}),
    ]
    paths = {path for path, _, _ in routes} | {"/", "/page.css", "/page.js"}

    def log(handler: RequestHandler) -> None:
        observe(handler, predictor.metrics, handler.request.path if handler.request.path in paths else "other")

    return Application(routes, default_handler_class=NotFoundHandler, log_function=log)  # type: ignore[arg-type]


def _own_version() -> str:
    """Return the version of the installed distribution; run from a source tree, there is none."""
    try:
        return version("pettracker-ml")
    except PackageNotFoundError:
        return "source"
