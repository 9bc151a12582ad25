#!/usr/bin/python

import base64
import json
import mimetypes
import socket
import ssl
import urllib.error
import urllib.request
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.argument_spec import argument_spec
from ..module_utils.evidence.exposition import PREDICT

DOCUMENTATION = r"""
module: balancer_answers
short_description: Asks a service for predictions through its balancer
description:
  - Each request has a connection of its own. It changes nothing. An answer that is none is evidence, not an error.
options:
  url: {type: str, required: true, description: "Base address of the service."}
  ca: {type: str, default: "", description: "File of the certificate authority; the system's own when it is empty."}
  server_name: {type: str, default: "", description: "Name that the certificate is for, where the address has another."}
  headers: {type: dict, default: {}, description: "Headers of the requests."}
  filename: {type: str, required: true, description: "Name of a file of the kind that is sent."}
  content: {type: str, required: true, description: "What is sent, in base64."}
  count: {type: int, default: 20, description: "How often."}
  timeout: {type: float, default: 10, description: "Seconds for each request."}
author: PetTracker ML (@pettracker-ml)
"""

EXAMPLES = r"""
- name: Ask twenty times
  pettracker.aws.balancer_answers:
    url: https://pets.example.com
    headers: {X-Rollout: 0f3c5a}
    filename: cat.jpg
    content: "{{ photo.content }}"
"""

RETURN = r"""
sent: {type: int, returned: always, description: "Number of requests."}
errors: {type: list, elements: str, returned: always, description: "What was answered instead of a prediction."}
digests: {type: list, elements: str, returned: always, description: "Of the models that answered."}
"""


class Context(ssl.SSLContext):
    """Asks whoever answers for the certificate of `server_name`: the service's name need not lead to this balancer."""

    server_name = ""

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:  # type: ignore[override]
        options["server_hostname"] = self.server_name or options["server_hostname"]
        return super().wrap_socket(sock, **options)


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
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = parameters["server_name"]
    if parameters["ca"]:
        context.load_verify_locations(parameters["ca"])
    else:
        context.load_default_certs()
    address = parameters["url"].rstrip("/") + PREDICT
    content = base64.b64decode(parameters["content"])
    kind = mimetypes.guess_type(parameters["filename"])[0] or "application/octet-stream"
    headers = {"Content-Type": kind} | parameters["headers"]
    headers |= {"Host": parameters["server_name"]} if parameters["server_name"] else {}
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
    module = AnsibleModule(argument_spec=argument_spec(DOCUMENTATION), supports_check_mode=True)
    try:
        module.exit_json(**run(module.params))
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"The service cannot be asked through its balancer: {error!r}")


if __name__ == "__main__":
    main()
