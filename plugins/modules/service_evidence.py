#!/usr/bin/python
"""Looks at the inference service of the host on which it runs, and asks it the golden inputs."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.exposition import PREDICT, counters

DOCUMENTATION = r"""
module: service_evidence
short_description: Looks at the inference service of a host, and asks it the golden inputs
description:
  - >-
    Runs on the host with nothing but Python's standard library, so that hosts of every release are measured by the same code,
    whatever their own image can do. It changes nothing. A service that does not answer is evidence, not an error.
options:
  url:
    description: Base address of the service, on the host itself.
    type: str
    required: true
  bundle:
    description: Directory of the bundle on the host.
    type: path
    required: true
  probes:
    description: How often each golden input is asked.
    type: int
    default: 0
  timeout:
    description: Seconds for each request.
    type: float
    default: 10
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Ask each golden input twenty times
  service_evidence:
    url: http://127.0.0.1:8080
    bundle: /opt/pettracker/bundle
    probes: 20
"""

RETURN = r"""
ready:
  description: Whether C(/ready) answers 200.
  returned: always
  type: bool
reason:
  description: What it says otherwise.
  returned: always
  type: str
digest:
  description: Of the model that is served; empty if the service does not say.
  returned: always
  type: str
counters:
  description: What C(/metrics) counts of predictions, or nothing where it does not answer.
  returned: always
  type: dict
probes:
  description: C(latencies) in seconds by the sha256 of the input, and C(errors), one sentence each.
  returned: always
  type: dict
"""


def ask(url: str, timeout: float, data: bytes | None = None, kind: str = "") -> tuple[int, bytes]:
    """Returns status and body; status 0 and the reason where there is no answer."""
    headers = {"Content-Type": kind} if kind else {}
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - the role gives an http address
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310 - the same
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error).encode()


def golden_inputs(bundle: Path) -> list[tuple[str, str, bytes]]:
    """Returns digest, media type and content of each golden input; the format is bundle/golden.py's.

    Raises:
        OSError, ValueError, KeyError: the bundle cannot be read.
    """
    cases = json.loads((bundle / "golden" / "answers.json").read_text())["cases"]
    inputs = []
    for name in sorted({case["input"] for case in cases}):
        content = (bundle / "golden" / name).read_bytes()
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        inputs.append((hashlib.sha256(content).hexdigest(), kind, content))
    return inputs


def probe(url: str, inputs: list[tuple[str, str, bytes]], count: int, timeout: float) -> dict[str, Any]:
    """Asks every input `count` times, one after the other and in turn, so that a disturbance hits all alike."""
    latencies: dict[str, list[float]] = {digest: [] for digest, _, _ in inputs}
    errors = []
    for digest, kind, content in inputs * count:
        begin = time.perf_counter()
        status, body = ask(url + PREDICT, timeout, content, kind)
        if status == 200:
            latencies[digest].append(round(time.perf_counter() - begin, 6))
        else:
            errors.append(f"{status or 'no answer'}: {body[:200].decode(errors='replace')}")
    return {"latencies": latencies, "errors": errors}


def served_digest(status: int, body: bytes) -> str:
    """Returns the digest in an answer of `/version`, "" if there is none."""
    try:
        return str(json.loads(body)["model"]["digest"]) if status == 200 else ""
    except (ValueError, KeyError, TypeError):
        return ""


def run(parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns the result."""
    url, timeout = parameters["url"].rstrip("/"), parameters["timeout"]
    inputs = golden_inputs(Path(parameters["bundle"])) if parameters["probes"] else []
    ready, said = ask(f"{url}/ready", timeout)
    metrics, text = ask(f"{url}/metrics", timeout)
    return {
        "changed": False,
        "ready": ready == 200,
        "reason": "" if ready == 200 else f"{ready or 'no answer'}: {said[:200].decode(errors='replace')}",
        "digest": served_digest(*ask(f"{url}/version", timeout)),
        # Before the probes, which are no live traffic.
        "counters": counters(text.decode()) if metrics == 200 else {},
        "probes": probe(url, inputs, parameters["probes"], timeout),
    }


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "bundle": {"type": "path", "required": True},
            "probes": {"type": "int", "default": 0},
            "timeout": {"type": "float", "default": 10},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module.params))
    except (OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"The golden inputs in {module.params['bundle']} cannot be read: {error!r}")


if __name__ == "__main__":
    main()
