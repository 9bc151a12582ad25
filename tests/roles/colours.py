"""The services of hosts that come and go, and a balancer that heeds one kind of listener rule, in one HTTP server."""

from __future__ import annotations

import http.server
import json
import threading
from collections import Counter
from typing import Any

METRICS = """process_start_time_seconds 1.0
pettracker_requests_total{{method="POST",path="/predict",status="200"}} {count}
pettracker_request_seconds_bucket{{le="+Inf",path="/predict"}} {count}
"""


class Services:
    """The first part of the path names the host, or the `balancer`.

    Attributes:
        digest: of the model that every host serves.
        asked: number of predictions that each host was asked for.
        proofs: number of requests through the balancer that a rule has sent to some host.
    """

    def __init__(self, elb: Any, digest: str) -> None:
        self.digest, self.asked, self.proofs = digest, Counter[str](), 0
        self._elb = elb
        services = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _, host, path = self.path.split("/", 2)
                version = json.dumps({"model": {"digest": services.digest}})
                metrics = METRICS.format(count=services.asked[host])
                self._answer({"metrics": metrics, "version": version}.get(path, ""))

            def do_POST(self) -> None:
                host = self.path.split("/")[1]
                self.rfile.read(int(self.headers["Content-Length"]))
                if host == "balancer":
                    host = services.by_rule(self.headers.get("X-Rollout", ""))
                services.asked[host] += 1
                self._answer(json.dumps({"model": {"digest": services.digest}}))

            def _answer(self, text: str) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def by_rule(self, secret: str) -> str:
        """Return the host to which the balancer sends a request with this header: the first healthy one of the rule."""
        balancer = self._elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        (listener,) = self._elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        for rule in self._elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]:
            values = [one.get("HttpHeaderConfig", {}).get("Values") for one in rule["Conditions"]]
            if secret and values == [[secret]]:
                self.proofs += 1
                arn = rule["Actions"][0]["TargetGroupArn"]
                targets = self._elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
                return min(one["Target"]["Id"] for one in targets if one["TargetHealth"]["State"] == "healthy")
        return "nobody"

    def close(self) -> None:
        self._server.shutdown()
