#!/usr/bin/python
"""Asks a service for predictions through its balancer."""

from __future__ import annotations

import base64
import json
import mimetypes
import ssl
import urllib.error
import urllib.request
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.exposition import PREDICT

DOCUMENTATION = r"""
module: balancer_answers
short_description: Asks a service for predictions through its balancer
description:
  - Each request has a connection of its own. It changes nothing. An answer that is none is evidence, not an error.
options:
  url:
    description: Base address of the service.
    type: str
    required: true
  ca:
    description: File of the certificate authority; the system's own when it is empty.
    type: str
    default: ""
  verify:
    description: Whether the certificate is verified.
    type: bool
    default: true
  headers:
    description: Headers of the requests.
    type: dict
    default: {}
  filename:
    description: Name of a file of the kind that is sent.
    type: str
    required: true
  content:
    description: What is sent, in base64.
    type: str
    required: true
  count:
    description: How often.
    type: int
    default: 20
  timeout:
    description: Seconds for each request.
    type: float
    default: 10
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Ask twenty times
  balancer_answers:
    url: https://pets.example.com
    headers: {X-Rollout: 0f3c5a}
    filename: cat.jpg
    content: "{{ photo.content }}"
"""

RETURN = r"""
sent:
  description: Number of requests.
  returned: always
  type: int
errors:
  description: What was answered instead of a prediction, one sentence each.
  returned: always
  type: list
  elements: str
digests:
  description: Of the models that answered.
  returned: always
  type: list
  elements: str
"""


def ask(request: urllib.request.Request, context: ssl.SSLContext, timeout: float) -> tuple[int, bytes]:
    """Returns status and body; status 0 and the reason where there is no answer."""
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=context) as response:  # noqa: S310 - the role gives it
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error).encode()


def run(parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns the result."""
    context = ssl.create_default_context(cafile=parameters["ca"] or None)
    if not parameters["verify"]:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = parameters["url"].rstrip("/") + PREDICT
    content = base64.b64decode(parameters["content"])
    kind = mimetypes.guess_type(parameters["filename"])[0] or "application/octet-stream"
    headers = {"Content-Type": kind} | parameters["headers"]
    errors, digests = [], set()
    for _ in range(parameters["count"]):
        request = urllib.request.Request(address, content, headers)  # noqa: S310 - the role gives it
        status, body = ask(request, context, parameters["timeout"])
        try:
            digests.add(str(json.loads(body)["model"]["digest"]))
        except (ValueError, KeyError, TypeError):
            errors.append(f"{status or 'no answer'}: {body[:200].decode(errors='replace')}")
    return {"changed": False, "sent": parameters["count"], "errors": errors, "digests": sorted(digests)}


def main() -> None:
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "ca": {"type": "str", "default": ""},
            "verify": {"type": "bool", "default": True},
            "headers": {"type": "dict", "default": {}},
            "filename": {"type": "str", "required": True},
            "content": {"type": "str", "required": True},
            "count": {"type": "int", "default": 20},
            "timeout": {"type": "float", "default": 10},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module.params))
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"The service cannot be asked through its balancer: {error!r}")


if __name__ == "__main__":
    main()
