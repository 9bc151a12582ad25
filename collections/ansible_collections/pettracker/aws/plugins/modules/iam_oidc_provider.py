#!/usr/bin/python
"""Lets IAM trust the tokens of an OpenID Connect issuer."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.module import run_module
from ansible_collections.pettracker.aws.plugins.module_utils.state import as_diff

DOCUMENTATION = r"""
module: iam_oidc_provider
short_description: Lets IAM trust the tokens of an OpenID Connect issuer
description:
  - Makes the identity provider of an issuer, or adds audiences to it. An account has one provider of an issuer, which
    everything in the account shares, so nothing of it is ever removed.
  - AWS checks the certificates of well-known issuers by its own list of authorities, so no thumbprint is given.
    U(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html)
options:
  url:
    description: Address of the issuer, as its tokens name it.
    type: str
    required: true
  audiences:
    description: Audiences that tokens may have.
    type: list
    elements: str
    required: true
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Trust GitHub's workflows
  pettracker.aws.iam_oidc_provider:
    url: https://token.actions.githubusercontent.com
    audiences: [sts.amazonaws.com]
"""

RETURN = r"""
arn:
  description: ARN of the provider; empty in check mode where there is none yet.
  returned: always
  type: str
"""


def arn_of(client: Any, url: str) -> str:
    """Finds the provider of an issuer with a client of IAM; "" if there is none."""
    found = client.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    ending = ":oidc-provider/" + url.removeprefix("https://")
    return next((provider["Arn"] for provider in found if provider["Arn"].endswith(ending)), "")


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Makes the provider, or adds the audiences that it lacks, unless in check mode."""
    client = module.client("iam")
    url, audiences = module.params["url"], sorted(module.params["audiences"])
    arn = arn_of(client, url)
    found = None
    if arn:
        found = sorted(client.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"])
    wanted = sorted({*audiences, *(found or [])})
    if found == wanted:
        return {"changed": False, "arn": arn, "diff": []}
    before = None if found is None else {"audiences": found}
    diff = as_diff(f"identity provider {url}", {"audiences": wanted}, before)
    if not module.check_mode and found is None:
        arn = client.create_open_id_connect_provider(Url=url, ClientIDList=audiences)["OpenIDConnectProviderArn"]
    elif not module.check_mode:
        for audience in sorted(set(wanted) - set(found or [])):
            client.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=audience)
    return {"changed": True, "arn": arn, "diff": [diff]}


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not set up the identity provider")


if __name__ == "__main__":
    main()
