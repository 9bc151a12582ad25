#!/usr/bin/python

from typing import Any

from ..module_utils.kinds.certificate import Certificate
from ..module_utils.kinds.kind import as_set
from ..module_utils.module import Module, Result, run_module
from ..module_utils.state import State, as_diff, differences

DOCUMENTATION = r"""
module: imported_certificate
short_description: Keeps a certificate in Certificate Manager that was made elsewhere
description:
  - Imports a certificate, and imports it anew, under the same ARN, when the file is another.
  - Unlike M(community.aws.acm_certificate) it finds certificates of every kind of key, says by which digest they differ, and
    never returns what it was given.
options:
  name: {type: str, required: true, description: "The C(Name) tag by which this module finds the certificate again."}
  certificate: {type: str, required: true, description: "The certificate, as PEM."}
  private_key: {type: str, required: true, description: "Its private key, as PEM, which nobody can read back and compare."}
  chain: {type: str, required: true, description: "The certificates between it and the root, as PEM."}
  tags: {type: dict, default: {}, description: "Tags of the certificate, to which C(Name) and C(ImportedBy) are added."}
extends_documentation_fragment: [pettracker.aws.module]
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
certificate_arn: {type: str, returned: when it exists, description: "The certificate."}
"""


def run(module: Module) -> Result:
    """Compares, and acts on a difference unless in check mode."""
    kind, client, name = Certificate(), module.client("acm"), module.params["name"]
    wanted: State = kind.wanted(module.params)
    if wanted["sha256"] is None:
        module.fail_json(msg=f"What is to be the certificate {name} holds no certificate in PEM.")
    answers = kind.read(module.client, name)
    found = kind.state(answers) if answers else None
    wanted, found = as_set(wanted, found, kind.deviations(answers) if answers else [])
    arn = answers["DescribeCertificate"]["CertificateArn"] if answers else ""
    fields = differences(wanted, found)
    result: dict[str, Any] = {"changed": bool(fields), "diff": as_diff(f"{kind.name} {name}", wanted, found)}
    if fields and not module.check_mode:
        if found is None or set(fields) - {"tags"}:
            arn = kind.import_(client, module.params, wanted, arn)
        if found and "tags" in fields:
            kind.put_tags(client, arn, wanted, found)
    return result | ({"certificate_arn": arn, "managed": {kind.name: [arn]}} if arn else {})


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not import the certificate", no_log={"private_key": True})
