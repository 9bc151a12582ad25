"""The part of GitHub's REST API that this project asks, for one repository, acme/pets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops.github import BOT, Refused


class FakeGitHub:
    """Called as `gh` is; people other than the bot write with `by`."""

    def __init__(self) -> None:
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.issues: list[dict[str, Any]] = []
        self.pulls: dict[str, list[dict[str, Any]]] = {}
        self.environments: dict[str, Any] = {}
        self.variables: dict[str, dict[str, str]] = {}
        self.secrets: dict[str, list[str]] = {}
        self.policies: list[tuple[str, str]] = []
        self.calls: list[tuple[str, str]] = []
        self.by = BOT
        # What the plan that pays for the repository has of the rules of environments, and how its tokens name it.
        self.rules = {"reviewers", "deployment_branch_policy"}
        self.repository = {"id": 5678, "name": "pets", "full_name": "acme/pets", "owner": {"login": "acme", "id": 1234}}
        self.subject: dict[str, Any] = {"use_default": True, "sub_claim_prefix": "repo:acme@1234/pets@5678"}

    def __call__(  # noqa: PLR0911, PLR0912 - one line for each route
        self, method: str, path: str, fields: Mapping[str, Any] | None = None
    ) -> Any:
        self.calls.append((method, path))
        parts = path.partition("?")[0].split("/")[3:]
        match (method, *parts):
            case ("GET", "issues", number, "comments"):
                return self.comments.get(int(number), [])
            case ("POST", "issues", number, "comments"):
                return self._add(self.comments.setdefault(int(number), []), fields)
            case ("PATCH", "issues", "comments", identity):
                everything = [item for items in self.comments.values() for item in items]
                return self._change(everything, int(identity), fields)
            case ("GET", "issues"):
                return [issue for issue in self.issues if issue.get("state") != "closed"]
            case ("POST", "issues"):
                return self._add(self.issues, fields)
            case ("PATCH", "issues", number):
                return self._change(self.issues, int(number), fields)
            case ("GET", "commits", revision, "pulls"):
                return self.pulls.get(revision, [])
            case ("GET", "environments"):
                return {"environments": [{"name": name} for name in self.environments]}
            case ("PUT", "environments", name):
                wanted = {rule for rule, value in (fields or {}).items() if value}
                if wanted - self.rules:
                    raise Refused(
                        f"Failed to create the environment protection rule: {wanted - self.rules} (HTTP 422)", 422
                    )
                self.environments[name] = fields or {}
                return {}
            case ("GET", "environments", name):
                rules = [{"type": "required_reviewers"}] if self.environments[name].get("reviewers") else []
                policy = self.environments[name].get("deployment_branch_policy")
                return {"name": name, "protection_rules": rules, "deployment_branch_policy": policy}
            case ("GET", "environments", name, "deployment-branch-policies"):
                found = [policy for where, policy in self.policies if where == name]
                return {"branch_policies": [{"name": policy, "type": "branch"} for policy in found]}
            case ("GET", "environments", name, "secrets"):
                return {"secrets": [{"name": secret} for secret in self.secrets.get(name, [])]}
            case ("DELETE", "environments", name):
                del self.environments[name]
                self.variables.pop(f"environments/{name}", None)
                return None
            case ("DELETE", *where, "variables", variable):
                del self.variables["/".join(where)][variable]
                return None
            case ("GET", "actions", "oidc", "customization", "sub"):
                return self.subject
            case ("GET",) if path == "user":
                return {"id": 7}
            case ("GET",):
                return self.repository
            case ("POST", "environments", name, "deployment-branch-policies"):
                self.policies.append((name, (fields or {})["name"]))
                return {}
            case ("GET", *where, "variables"):
                known = self.variables.get("/".join(where), {})
                return {"variables": [{"name": name, "value": value} for name, value in known.items()]}
            case ("POST", *where, "variables") | ("PATCH", *where, "variables", _):
                data = fields or {}
                self.variables.setdefault("/".join(where), {})[data["name"]] = data["value"]
                return {}
        raise AssertionError((method, path))

    def _add(self, items: list[dict[str, Any]], fields: Mapping[str, Any] | None) -> dict[str, Any]:
        number = len(self.calls)
        item = {"id": number, "number": number, "user": {"login": self.by}, "html_url": f"https://github/{number}"}
        items.append(item | dict(fields or {}))
        return items[-1]

    def _change(self, items: list[dict[str, Any]], identity: int, fields: Mapping[str, Any] | None) -> dict[str, Any]:
        (item,) = (item for item in items if item["id"] == identity)
        item.update(fields or {})
        return item

    def merge(self, number: int, head: str, merged: str) -> None:
        self.pulls[merged] = [
            {
                **{"number": number, "merge_commit_sha": merged, "merged_at": "2026-01-01T00:00:00Z"},
                **{"head": {"sha": head}, "html_url": f"https://github/pull/{number}"},
            }
        ]
