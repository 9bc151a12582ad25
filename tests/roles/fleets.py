"""A fleet that exists only as answers: Auto Scaling with instance refresh, and the services of its hosts."""

from __future__ import annotations

import http.server
import json
import threading
import time
from datetime import UTC, datetime
from typing import Any

from moto.autoscaling.exceptions import ValidationError
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.responses import ActionResult

METRICS = """process_start_time_seconds 1.0
pettracker_requests_total{method="POST",path="/predict",status="200"} 0
pettracker_request_seconds_bucket{le="+Inf",path="/predict"} 0
"""
# That an answer takes.
SECONDS = 0.004
# Looks at a refresh, since a host was last asked something, after which it goes on by itself: its delay is over.
LOOKS = 12


class Services:
    """One HTTP server for the services of all hosts: the first part of the path names the host.

    Attributes:
        digests: of the model that each host serves.
        asked: number of predictions that each host was asked for.
    """

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}
        self.asked: dict[str, int] = {}
        services = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _, host, path = self.path.split("/", 2)
                version = json.dumps({"model": {"digest": services.digests.get(host, "")}})
                self._answer({"metrics": METRICS, "version": version}.get(path, ""))

            def do_POST(self) -> None:
                host = self.path.split("/")[1]
                self.rfile.read(int(self.headers["Content-Length"]))
                services.asked[host] = services.asked.get(host, 0) + 1
                time.sleep(SECONDS)
                self._answer("{}")

            def _answer(self, text: str) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()


class Fleet:
    """A group of two hosts, i-1 and i-2 with version 1, which a refresh replaces by i-11 and i-12 with another.

    It waits at each checkpoint until its new hosts were asked and some looks have passed, as if the delay were over then.

    Attributes:
        alarm_at: percentage at which an alarm lets AWS take the refresh back, whatever the states of alarms are.
        rings: alarm that begins to ring when the group is looked at for the so-manyth time.
        refuses: why no refresh can begin; empty when one can.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self.version = self.new = "1"
        self.hosts = {"i-1": "1", "i-2": "1"}
        self.refresh: dict[str, Any] | None = None
        self.alarm_at: int | None = None
        self.rings: dict[int, str] = {}
        self.refuses = ""
        self._looks = self._asked = self._seen = 0

    def actions(self) -> dict[str, Any]:
        """Return the API's answers by the name of the method that moto calls for them."""
        return {
            "describe_auto_scaling_groups": lambda _: ActionResult({"AutoScalingGroups": [self._group()]}),
            "describe_instance_refreshes": lambda _: ActionResult({"InstanceRefreshes": self._refreshes()}),
            "start_instance_refresh": lambda call: self.start(call._get_params()),
            "rollback_instance_refresh": lambda _: self._roll_back("Rolled back by a person."),
        }

    def start(self, request: dict[str, Any]) -> ActionResult:
        """Start a refresh, as StartInstanceRefresh with these parameters does."""
        if self.refuses:
            raise ValidationError(self.refuses)
        # User guide, "Undo changes with a rollback": "If the alarm state is INSUFFICIENT_DATA or ALARM, you receive an error".
        alarms = self._alarms()
        named = request["Preferences"].get("AlarmSpecification", {}).get("Alarms", [])
        loud = [name for name in named if name not in alarms or alarms[name].state_value != "OK"]
        if loud:
            raise ValidationError(f"Alarms that are not OK: {', '.join(loud)}.")
        self.new = request["DesiredConfiguration"]["LaunchTemplate"]["Version"]
        self.refresh = {
            **{key: request[key] for key in ("AutoScalingGroupName", "DesiredConfiguration", "Preferences")},
            **{
                "InstanceRefreshId": "r-1",
                "Status": "Pending",
                "StartTime": datetime.now(UTC),
                "PercentageComplete": 0,
            },
        }
        self._services.asked.clear()
        return ActionResult({"InstanceRefreshId": "r-1"})

    @staticmethod
    def _alarms() -> Any:
        return cloudwatch_backends["123456789012"]["us-east-1"].alarms

    def _group(self) -> dict[str, Any]:
        self._seen += 1
        if self._seen in self.rings:
            self._alarms()[self.rings[self._seen]].update_state("too many since now", "", "ALARM")
        instances = [
            {
                "InstanceId": name,
                "AvailabilityZone": "us-east-1a",
                "LifecycleState": "InService",
                "HealthStatus": "Healthy",
                "ProtectedFromScaleIn": False,
                "LaunchTemplate": self._template(version),
            }
            for name, version in self.hosts.items()
        ]
        return {
            "AutoScalingGroupName": "service",
            "DesiredCapacity": 2,
            "LaunchTemplate": self._template(self.version),
            "Instances": instances,
        }

    @staticmethod
    def _template(version: str) -> dict[str, str]:
        return {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "service", "Version": version}

    def _refreshes(self) -> list[dict[str, Any]]:
        if self.refresh:
            self._advance(self.refresh)
        return [self.refresh] if self.refresh else []

    def _advance(self, refresh: dict[str, Any]) -> None:
        status, complete = refresh["Status"], refresh["PercentageComplete"]
        asked = sum(self._services.asked.get(host, 0) for host, version in self.hosts.items() if version == self.new)
        self._looks = self._looks + 1 if asked > 0 and asked == self._asked else 0
        self._asked = asked
        alarms, named = self._alarms(), refresh["Preferences"].get("AlarmSpecification", {}).get("Alarms", [])
        rings = any(alarms[name].state_value == "ALARM" for name in named)
        rings = rings or (self.alarm_at == complete and self._looks > 0)
        if status in ("Pending", "InProgress", "Baking") and rings:
            self._roll_back("An alarm rings.")
        elif status == "Pending":
            refresh |= {"Status": "InProgress", "PercentageComplete": 50}
            self.hosts = {"i-11": self.new, "i-2": self.version}
        elif status == "InProgress" and self._looks > LOOKS:
            refresh |= {"Status": "Baking", "PercentageComplete": 100}
            self.hosts = {"i-11": self.new, "i-12": self.new}
            self._services.asked.clear()
        elif status == "Baking" and self._looks > LOOKS:
            refresh["Status"] = "Successful"
            self.version = self.new
        elif status == "RollbackInProgress":
            refresh["Status"] = "RollbackSuccessful"
            self.hosts = {"i-21": self.version, "i-22": self.version}

    def _roll_back(self, reason: str) -> ActionResult:
        assert self.refresh
        self.refresh |= {"Status": "RollbackInProgress", "RollbackDetails": {"RollbackReason": reason}}
        return ActionResult({})
