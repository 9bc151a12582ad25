"""Closed-loop load for locust: each user sends the cat, reads the answer, waits a little, and sends it again.

Run by traffic.py. Every request becomes a line of JSON in the file LOAD_RECORDS; LOAD_PAUSE is the wait in seconds.
"""

import json
import os
import time
from pathlib import Path
from typing import Any, ClassVar

from locust import HttpUser, constant, task

CAT = (Path(__file__).parents[2] / "tests" / "data" / "cat.jpg").read_bytes()
RECORDS = Path(os.environ["LOAD_RECORDS"])


class Visitor(HttpUser):
    """A person with one photo."""

    host: ClassVar[str] = os.environ["SERVICE_URL"]
    wait_time = constant(float(os.environ["LOAD_PAUSE"]))

    def on_start(self) -> None:
        """Trust the rehearsal's certificate authority."""
        self.client.verify = os.environ["SERVICE_CA"]
        # An environment that names another bundle would win over the session's own setting.
        self.client.trust_env = False

    @task
    def ask(self) -> None:
        """Send the photo, and write down what came of it."""
        begin, started = time.time(), time.perf_counter()
        answer = self.client.post("/predict", data=CAT, headers={"Content-Type": "image/jpeg"}, timeout=30)
        record: dict[str, Any] = {
            "begin": begin,
            "seconds": round(time.perf_counter() - started, 6),
            "status": answer.status_code,
            "request_id": answer.headers.get("X-Request-Id", "") if answer.headers else "",
        }
        try:
            said = answer.json()
            record |= {"digest": said["model"]["digest"], "top": said["predictions"][0]["class"]}
        except (ValueError, LookupError, TypeError):
            record["problem"] = str(answer.error or answer.text[:200])
        with RECORDS.open("a") as file:
            file.write(json.dumps(record) + "\n")
