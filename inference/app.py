"""The HTTP application: which path does what."""

import platform
import re
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import PurePath
from typing import Any

from tornado.httputil import HTTPServerRequest, split_host_and_port
from tornado.web import Application, RequestHandler

from inference.bodies import BodyHandler
from inference.errors import BadRequestError
from inference.handlers import JsonHandler, NotFoundHandler, is_forwarded, is_local, is_loopback_name, observe, require_loopback
from inference.logs import Limited, log_malformed_requests
from inference.metrics import CONTENT_TYPE
from inference.openapi import document
from inference.predict import PredictHandler, Predictor
from inference.shadow import MOST_CHARACTERS, ShadowError, read

_PAGE_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_HTTPS_ONLY = "max-age=31536000"


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


class ShadowHandler(BodyHandler):
    """PUT /shadow: copy answered predictions to a candidate fleet, as the body says, or no longer. Loopback only."""

    def initialize(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def prepare(self) -> None:
        if self.request.method == "PUT":
            check = partial(require_loopback, self.request)
            self.expect_body(self._predictor.settings, self._predictor.bodies, MOST_CHARACTERS, check)
        else:
            super().prepare()

    def put(self) -> None:
        try:
            shadow = read(self.body().decode("ascii"))
        except (ShadowError, UnicodeDecodeError) as error:
            raise BadRequestError(f"The body is not what /shadow takes. {error}") from None
        self._predictor.mirror.tell(shadow)
        self.write_json(shadow.document() if shadow else {"share": 0, "until": 0, "targets": []})


class VersionHandler(JsonHandler):
    """GET /version: which model answers, and to the host itself, by which code."""

    def initialize(self, predictor: Predictor, program: str, threads: int) -> None:
        self._predictor, self._program, self._threads = predictor, program, threads

    def get(self) -> None:
        program, engine = self._predictor.manifest.programs[self._program], self._predictor.engine
        told: dict[str, Any] = {
            "model": self._predictor.model,
            "program": {"name": self._program, "precision": program.precision},
        }
        if is_local(self.request):
            told |= {
                "service": {"name": "pettracker-ml", "version": _version("pettracker-ml")},
                "backend": {
                    "name": program.backend,
                    "version": _version(program.backend),
                    "threads": self._threads,
                    # Known once the model is warm.
                    "streams": engine.streams if engine else None,
                },
                "python": platform.python_version(),
            }
        self.write_json(told)


class MetricsHandler(JsonHandler):
    """GET /metrics: Prometheus text format. Loopback only: it tells much, and takes the event loop as long as many requests."""

    def initialize(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def get(self) -> None:
        require_loopback(self.request)
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(self._predictor.metrics.exposition())


class OpenApiHandler(JsonHandler):
    """GET /openapi.json: this interface, as OpenAPI 3.1."""

    def initialize(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def get(self) -> None:
        self.write_json(document(self._predictor.manifest, self._predictor.settings))


class PageHandler(JsonHandler):
    """GET /: a page to show a photo or to type numbers in, and its files."""

    def initialize(self, files: dict[str, bytes]) -> None:
        self._files = files

    def get(self, name: str) -> None:
        name = name or "index.html"
        self.set_header("Content-Type", _PAGE_TYPES[PurePath(name).suffix])
        for header, value in _PAGE_HEADERS.items():
            self.set_header(header, value)
        # Browsers keep it for all ports of a name: not for the developer's own.
        if is_forwarded(self.request) and not is_loopback_name(self.request.host_name):
            self.set_header("Strict-Transport-Security", _HTTPS_ONLY)
        self.finish(self._files[name])


class _Origin(Application):
    """Takes a target in absolute form for what it names, and its host for the request's: RFC 9112, 3.2.2."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        absolute = re.match(r"https?://([^/?]+)", request.path, re.IGNORECASE)
        if absolute:
            request.path = request.path[absolute.end() :] or "/"
            request.host, request.host_name = absolute[1], split_host_and_port(absolute[1].lower())[0]
        return super().find_handler(request, **kwargs)


def application(predictor: Predictor, program: str, threads: int) -> Application:
    """Build the application.

    Args:
        program: name of the program that runs, as /version tells it.
        threads: CPU threads for inference, as /version tells it.
    """
    shared = {"predictor": predictor}
    page = _page_files()
    names = "|".join(re.escape(name) for name in ("", *sorted(page)))
    routes: list[tuple[str, type[JsonHandler], dict[str, Any]]] = [
        (r"/predict", PredictHandler, shared),
        (r"/health", HealthHandler, {}),
        (r"/ready", ReadyHandler, shared),
        (r"/health/ready", AcceptHandler, shared),
        (r"/health/drain", DrainHandler, shared),
        (r"/shadow", ShadowHandler, shared),
        (r"/version", VersionHandler, {**shared, "program": program, "threads": threads}),
        (r"/metrics", MetricsHandler, shared),
        (r"/openapi\.json", OpenApiHandler, shared),
        (rf"/({names})", PageHandler, {"files": page}),
    ]
    paths = {path.replace("\\", "") for path, _, _ in routes} | {"/", *(f"/{name}" for name in page)}

    limited = Limited(predictor.metrics.counter("lines_left_out").inc)
    log_malformed_requests(limited)

    def log(handler: RequestHandler) -> None:
        route = handler.request.path if handler.request.path in paths else "other"
        observe(handler, predictor.metrics, route, limited)

    return _Origin(routes, default_handler_class=NotFoundHandler, log_function=log)


def _page_files() -> dict[str, bytes]:
    """Return the files of the page by their names."""
    folder = files("inference") / "page"
    return {file.name: file.read_bytes() for file in folder.iterdir() if PurePath(file.name).suffix in _PAGE_TYPES}


@cache
def _version(distribution: str) -> str:
    """Return the version of an installed distribution; the service itself may run from a source tree that is not."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "source"
