#!/usr/bin/python

import json
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.argument_spec import argument_spec
from ..module_utils.evidence.background import Background, BackgroundError
from ..module_utils.evidence.probing import Pace, Probe, ask, golden_inputs, said

DOCUMENTATION = r"""
module: service_evidence
short_description: Watches the inference service of a host, and says how it is
description:
  - >-
    Runs on the host with nothing but Python's standard library, so that hosts of every release are measured by the same code,
    whatever their own image can do. It changes nothing there. A service that does not answer is evidence, not an error.
  - >-
    C(state=started) returns at once. From then on the host asks its service every golden input in rounds, until
    C(state=collected) ends that, looks at the service and returns everything. Rounds begin at the same times on all hosts, by
    their own clocks.
options:
  state: {type: str, choices: [started, collected], required: true, description: "Whether to begin, or to end and return."}
  url: {type: str, required: true, description: "Base address of the service, on the host itself, with its port."}
  bundle: {type: path, required: true, description: "Directory of the bundle on the host."}
  metrics:
    type: dict
    required: true
    description: "Names on the service's C(/metrics) of what it counts of predictions."
    suboptions:
      requests: {type: str, required: true, description: "The counter of answers, with the labels C(path) and C(status)."}
      request_seconds: {type: str, required: true, description: "The histogram of their seconds, with the label C(path)."}
  directory: {type: path, default: /run/pettracker-evidence, description: "Where the host keeps what is under way."}
  interval: {type: float, default: 12, description: "Of C(started), the seconds from one round to the next."}
  slot: {type: float, default: 0, description: "Of C(started), the share of the interval before this host's turn."}
  seconds: {type: float, default: 600, description: "Of C(started), after which time nobody comes for it any more."}
  check: {type: list, elements: str, default: [], description: "Of C(collected), the command that compares the service with its
    golden answers, and fails where it finds differences; none is run when it is empty."}
  check_timeout: {type: float, default: 20, description: "Seconds for that command."}
  timeout: {type: float, default: 5, description: "Seconds for each request."}
author: PetTracker ML (@pettracker-ml)
"""

EXAMPLES = r"""
- name: Begin to ask the golden inputs every twelve seconds
  pettracker.aws.service_evidence:
    state: started
    url: http://127.0.0.1:8080
    bundle: /opt/pettracker/bundle
    metrics: {requests: answers, request_seconds: answer_seconds}
"""

RETURN = r"""
ready: {type: bool, returned: when collected, description: "Whether C(/ready) answers 200."}
reason: {type: str, returned: when collected, description: "What it says otherwise."}
digest: {type: str, returned: when collected, description: "Of the model that is served; empty if the service does not say."}
golden: {type: list, elements: str, returned: when collected, description: "How a ready service differs from golden answers."}
watched: {type: dict, returned: when collected, description: "What was seen meanwhile, the fields of C(Seen) in
  C(module_utils/evidence/probing.py), and C(before) and C(after), what C(/metrics) counted of predictions."}
"""


def served_digest(status: int, body: bytes) -> str:
    """Returns the digest in an answer of `/version`, "" if there is none."""
    try:
        return str(json.loads(body)["model"]["digest"]) if status == 200 else ""
    except (ValueError, KeyError, TypeError):
        return ""


def differences(command: list[str], seconds: float) -> list[str]:
    """Returns what the command finds wrong, nothing where it is content or there is none."""
    if not command:
        return []
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return [f"the service was not through with its golden inputs after {seconds:g} seconds"]
    if run.returncode == 0:
        return []
    lines = (run.stderr.strip() or run.stdout.strip() or f"the check ended with {run.returncode}").splitlines()
    return [line.strip() for line in lines]


def start(parameters: dict[str, Any]) -> dict[str, Any]:
    """Lets the watch begin; returns the result."""
    inputs = golden_inputs(Path(parameters["bundle"]))
    probe = Probe(parameters["url"].rstrip("/"), inputs, parameters["timeout"], parameters["metrics"])
    pace = Pace(parameters["interval"], parameters["slot"])
    patience = 2 * parameters["timeout"]
    Background(Path(parameters["directory"])).start(lambda ended: probe.watch(pace, parameters["seconds"], ended), patience)
    return {"changed": False}


def collect(parameters: dict[str, Any]) -> dict[str, Any]:
    """Ends the watch; returns the result."""
    url, timeout = parameters["url"].rstrip("/"), parameters["timeout"]
    watched = Background(Path(parameters["directory"])).collect(2 * timeout)
    ready, answer = ask(f"{url}/ready", timeout)
    return {
        "changed": False,
        "ready": ready == 200,
        "reason": "" if ready == 200 else said(ready, answer),
        "digest": served_digest(*ask(f"{url}/version", timeout)),
        # One that is not ready has no golden answers.
        "golden": differences(parameters["check"], parameters["check_timeout"]) if ready == 200 else [],
        "watched": watched,
    }


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(argument_spec=argument_spec(DOCUMENTATION), supports_check_mode=True)
    try:
        module.exit_json(**(start if module.params["state"] == "started" else collect)(module.params))
    except BackgroundError as error:
        module.fail_json(msg=f"What the service did meanwhile is not known: {error}")
    except (OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"The golden inputs in {module.params['bundle']} cannot be read: {error!r}")


if __name__ == "__main__":
    main()
