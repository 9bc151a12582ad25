#!/usr/bin/python

from ..module_utils.kinds.identity_provider import IdentityProvider
from ..module_utils.kinds.keeping import keep
from ..module_utils.module import Module, Result, run_module

DOCUMENTATION = r"""
module: iam_oidc_provider
short_description: Lets IAM trust the tokens of an OpenID Connect issuer
description:
  - Makes the identity provider of an issuer, or adds audiences to it. An account has one provider of an issuer, which
    everything in the account shares, so nothing of it is ever removed.
  - AWS checks the certificates of well-known issuers by its own list of authorities, so no thumbprint is given.
    U(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html)
options:
  url: {type: str, required: true, description: "Address of the issuer, as its tokens name it."}
  audiences: {type: list, elements: str, required: true, description: "Audiences that tokens may have."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Trust GitHub's workflows
  pettracker.aws.iam_oidc_provider:
    url: https://token.actions.githubusercontent.com
    audiences: [sts.amazonaws.com]
"""

RETURN = r"""
arn: {type: str, returned: always, description: "ARN of the provider; empty in check mode where there is none yet."}
"""


def run(module: Module) -> Result:
    """Makes the provider, or adds the audiences that it lacks, unless in check mode."""
    kind = IdentityProvider()
    result = keep(module, kind, {module.params["url"]: module.params})
    return result | {"arn": next(iter(result["managed"][kind.name]), "")}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the identity provider")
