"""Closed-loop load for locust: each user sends the cat, reads the answer, and sends it again.

An answer counts as a failure unless it is a 200 that names a cat.
"""

import os
from pathlib import Path
from typing import ClassVar

from locust import HttpUser, constant, task

CAT = (Path(__file__).parents[3] / "tests" / "data" / "cat.jpg").read_bytes()


class Visitor(HttpUser):
    """A person with one photo."""

    host: ClassVar[str] = os.environ["SERVICE_URL"]
    wait_time = constant(0.05)

    def on_start(self) -> None:
        """Trust the rehearsal's certificate authority."""
        self.client.verify = os.environ["SERVICE_CA"]
        # An environment that names another bundle would win over the session's own setting.
        self.client.trust_env = False

    @task
    def ask(self) -> None:
        """Send the photo."""
        headers = {"Content-Type": "image/jpeg"}
        with self.client.post("/predict", data=CAT, headers=headers, timeout=30, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}: {answer.error or answer.text[:200]}")
            elif "cat" not in answer.json()["predictions"][0]["class"].lower():
                answer.failure(f"not a cat: {answer.text[:200]}")
