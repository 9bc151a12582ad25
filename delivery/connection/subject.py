"""How the tokens of a repository's workflows name it: the beginning of the claim `sub`, by which AWS knows whose they are."""

import re
from typing import Any

from delivery.errors import DeliveryError
from delivery.github import Api, gh


def subject(repository: str, api: Api = gh) -> str:
    """Return what the subjects of a repository's tokens begin with, as GitHub makes them now.

    Repositories made, renamed or transferred since 2026-07-15 have the numbers of owner and repository in it, which never pass
    to anybody else; others have names only, until somebody opts in.
    https://docs.github.com/actions/reference/security/oidc#immutable-subject-claims

    Raises DeliveryError where GitHub calls the repository (owner/name) otherwise, its tokens have a subject of its own making,
    or GitHub refuses.
    """
    known = api("GET", f"repos/{repository}")
    if known["full_name"].lower() != repository.lower():
        raise DeliveryError(f"GitHub calls {repository} {known['full_name']} now: write that into ci_repository")
    form = api("GET", f"repos/{repository}/actions/oidc/customization/sub")
    if not form["use_default"]:
        keys = ", ".join(form.get("include_claim_keys", []))
        raise DeliveryError(
            f"the tokens of {repository} have a subject of its own making ({keys}), by which the roles cannot tell a pull "
            "request from a deployment. Take GitHub's: "
            f"gh api --method PUT repos/{repository}/actions/oidc/customization/sub -F use_default=true"
        )
    return _checked(str(form.get("sub_claim_prefix") or _built(known, form)), known)


def number(repository: str, api: Api = gh) -> int:
    """Return the number of a repository, which never passes to another one, whatever its tokens' subjects say."""
    return int(api("GET", f"repos/{repository}")["id"])


def _built(known: dict[str, Any], form: dict[str, Any]) -> str:
    """Return the prefix where GitHub does not say it, as GitHub Enterprise Server does not."""
    if not form.get("use_immutable_subject"):
        return f"repo:{known['full_name']}"
    owner = known["owner"]
    return f"repo:{owner['login']}@{owner['id']}/{known['name']}@{known['id']}"


def _checked(prefix: str, known: dict[str, Any]) -> str:
    """Return the prefix if it is one of this repository: it goes into a policy that lets in whoever has it."""
    owner = known["owner"]
    parts = (owner["login"], owner["id"], known["name"], known["id"])
    names = "repo:{}(@{})?/{}(@{})?".format(*(re.escape(str(part)) for part in parts))
    if not re.fullmatch(names, prefix, re.IGNORECASE):
        raise DeliveryError(f"GitHub says that tokens of {known['full_name']} begin with {prefix!r}, which is no name of it")
    return prefix
