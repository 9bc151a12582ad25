"""TorchServe's handler. TorchServe runs a copy of this file, with the repository on PYTHONPATH."""

from typing import Any

from benchmarks.serving.apps.pipeline import open_pipeline, top


class Handler:
    """One worker process; `data` holds the requests of one batch."""

    def initialize(self, context: Any) -> None:
        self._pipeline = open_pipeline()

    def handle(self, data: list[dict[str, bytes]], context: Any) -> list[dict[str, Any]]:
        inputs = [self._pipeline.decode(bytes(request.get("data") or request["body"])) for request in data]
        return [{"predictions": top(row)} for row in self._pipeline.predict(inputs)]
