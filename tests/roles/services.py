"""The services of hosts that come and go, and a balancer that heeds one kind of listener rule, in one HTTP server."""

import http.server
import json
import threading
import time
from collections import Counter, defaultdict
from typing import Any

from inference.metrics import Metrics

# That an answer takes.
SECONDS = 0.004


class Services:
    """The first part of the path names the host, or the `balancer`.

    Attributes:
        digest: of the model that every host serves.
        asked: number of predictions that each host was asked for.
        proofs: number of requests through the balancer that a rule has sent to some host.
    """

    def __init__(self, elb: Any, digest: str) -> None:
        self.digest, self.asked, self.proofs = digest, Counter[str](), 0
        self._elb, self._metrics = elb, defaultdict[str, Metrics](Metrics)
        services = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _, host, path = self.path.split("/", 2)
                self._answer(services.metrics(host) if path == "metrics" else services.version())

            def do_POST(self) -> None:
                host = self.path.split("/")[1]
                self.rfile.read(int(self.headers["Content-Length"]))
                if host == "balancer":
                    host = services.by_rule(self.headers.get("X-Rollout", ""))
                time.sleep(SECONDS)
                services.count(host)
                self._answer(services.version())

            def _answer(self, text: str) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def version(self) -> str:
        return json.dumps({"model": {"digest": self.digest}})

    def metrics(self, host: str) -> str:
        return self._metrics[host].exposition().decode()

    def count(self, host: str) -> None:
        """Count a prediction of a host, as its service does."""
        self.asked[host] += 1
        self._metrics[host].counter("requests").labels("/predict", "POST", "200").inc()
        self._metrics[host].histogram("request_seconds").labels("/predict").observe(SECONDS)

    def by_rule(self, secret: str) -> str:
        """Return the host to which the balancer sends a request with this header: the first healthy one of the rule."""
        balancer = self._elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        (listener,) = self._elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        for rule in self._elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]:
            values = [one.get("HttpHeaderConfig", {}).get("Values") for one in rule["Conditions"]]
            if secret and values == [[secret]]:
                self.proofs += 1
                arn = rule["Actions"][0]["ForwardConfig"]["TargetGroups"][0]["TargetGroupArn"]
                targets = self._elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
                return min(one["Target"]["Id"] for one in targets if one["TargetHealth"]["State"] == "healthy")
        return "nobody"

    def close(self) -> None:
        self._server.shutdown()
