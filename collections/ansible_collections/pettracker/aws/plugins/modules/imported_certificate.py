#!/usr/bin/python
"""Keeps a certificate in Certificate Manager that was made elsewhere."""

from __future__ import annotations

import hashlib
import ssl
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.certificates import OWN, own_certificates
from ansible_collections.pettracker.aws.plugins.module_utils.module import run_module
from ansible_collections.pettracker.aws.plugins.module_utils.state import (
    as_diff,
    differences,
    tag_changes,
    tags_to_list,
)

DOCUMENTATION = r"""
module: imported_certificate
short_description: Keeps a certificate in Certificate Manager that was made elsewhere
description:
  - Imports a certificate, and imports it anew, under the same ARN, when the file is another.
  - Unlike M(community.aws.acm_certificate) it finds certificates of every kind of key, says by which digest they differ, and
    never returns what it was given.
options:
  name:
    description: The C(Name) tag by which the certificate is found, among those that this module has imported.
    type: str
    required: true
  certificate:
    description: The certificate, as PEM.
    type: str
    required: true
  private_key:
    description: Its private key, as PEM. It cannot be read back and so is not compared.
    type: str
    required: true
  chain:
    description: The certificates between it and the root, as PEM.
    type: str
    required: true
  tags:
    description: Tags of the certificate, to which C(Name) and C(ImportedBy) are added.
    type: dict
    default: {}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Import the certificate
  pettracker.aws.imported_certificate:
    name: pettracker-dev-service
    certificate: "{{ lookup('ansible.builtin.file', 'server.pem') }}"
    private_key: "{{ lookup('ansible.builtin.file', 'server-key.pem') }}"
    chain: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"
"""

RETURN = r"""
certificate_arn:
  description: The certificate.
  returned: when it exists
  type: str
managed:
  description: Ids by kind, as M(pettracker.aws.owned_resources) calls them; `make drift` asks about those that no task names.
  returned: when it exists
  type: dict
"""

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def fingerprints(pem: str | None) -> list[str]:
    """Returns the SHA-256 digests of the certificates in a PEM text, whatever its line breaks."""
    blocks = [block.split(END)[0] for block in (pem or "").split(BEGIN)[1:]]
    return [
        hashlib.sha256(ssl.PEM_cert_to_DER_cert(f"{BEGIN}\n{block.strip()}\n{END}\n")).hexdigest() for block in blocks
    ]


def wanted_state(parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns the module's parameters in the fields of `found_state`."""
    return {
        "sha256": next(iter(fingerprints(parameters["certificate"])), None),
        "chain_sha256": fingerprints(parameters["chain"]),
        "tags": parameters["tags"] | {"Name": parameters["name"]} | OWN,
    }


def find(client: Any, name: str) -> tuple[str, dict[str, str]] | None:
    """Returns the ARN and the tags of the certificate that has the name, None if there is none."""
    return next(((arn, tags) for arn, tags in own_certificates(client) if tags.get("Name") == name), None)


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Compares, and acts on a difference unless in check mode."""
    client = module.client("acm")
    name, wanted = module.params["name"], wanted_state(module.params)
    if wanted["sha256"] is None:
        module.fail_json(msg=f"What is to be the certificate {name} holds no certificate in PEM.")
    present = find(client, name)
    arn, tags = present or ("", {})
    found: dict[str, Any] | None = None
    if present:
        held = client.get_certificate(CertificateArn=arn)
        found = {
            "sha256": next(iter(fingerprints(held["Certificate"])), None),
            "chain_sha256": fingerprints(held.get("CertificateChain")),
            "tags": tags,
        }
    fields = differences(wanted, found)
    result: dict[str, Any] = {"changed": bool(fields), "diff": as_diff(f"certificate {name}", wanted, found)}
    if fields and not module.check_mode:
        if found is None or set(fields) - {"tags"}:
            # Tags are taken with a new certificate only.
            target = {"CertificateArn": arn} if arn else {"Tags": tags_to_list(wanted["tags"])}
            arn = client.import_certificate(
                Certificate=module.params["certificate"].encode(),
                PrivateKey=module.params["private_key"].encode(),
                CertificateChain=module.params["chain"].encode(),
                **target,
            )["CertificateArn"]
        if found and "tags" in fields:
            added, gone = tag_changes(wanted["tags"], tags)
            if added:
                client.add_tags_to_certificate(CertificateArn=arn, Tags=tags_to_list(added))
            if gone:
                client.remove_tags_from_certificate(CertificateArn=arn, Tags=[{"Key": key} for key in gone])
    return result | ({"certificate_arn": arn, "managed": {"certificate": [arn]}} if arn else {})


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not import the certificate", no_log={"private_key": True})


if __name__ == "__main__":
    main()
