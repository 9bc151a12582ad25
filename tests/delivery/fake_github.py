"""The part of GitHub's REST API that this project asks, for one repository, acme/pets."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from delivery.github import Refused
from delivery.plan.reviews import BOT, PLAN_EVENT, PLAN_WORKFLOW, REVIEW_EVENT, REVIEW_WORKFLOW

NAME = "acme/pets"


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
        self.branch_rules: list[dict[str, Any]] | int = [
            {"type": "pull_request", "parameters": {"required_approving_review_count": 1}},
            {"type": "required_status_checks", "parameters": {"required_status_checks": [{"context": "ci"}]}},
        ]
        self.protection: dict[str, Any] = {}
        self.calls: list[tuple[str, str]] = []
        self.by = BOT
        self.runs: dict[int, dict[str, Any]] = {}
        self.artefacts: list[dict[str, Any]] = []
        self.open: list[dict[str, Any]] = []
        self.clock = 0
        # What the plan that pays for the repository has of the rules of environments, and how its tokens name it.
        self.rules = {"reviewers", "deployment_branch_policy"}
        self.repository = {"id": 5678, "name": "pets", "full_name": "acme/pets", "owner": {"login": "acme", "id": 1234}}
        self.subject: dict[str, Any] = {"use_default": True, "sub_claim_prefix": "repo:acme@1234/pets@5678"}

    def __call__(  # noqa: PLR0911, PLR0912 - one line for each route
        self, method: str, path: str, fields: Mapping[str, Any] | None = None
    ) -> Any:
        self.calls.append((method, path))
        self.clock += 1
        plain, _, query = path.partition("?")
        parts = plain.split("/")[3:]
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        match (method, *parts):
            case ("GET", "issues", number, "comments"):
                return self.comments.get(int(number), [])
            case ("POST", "issues", number, "comments"):
                return self._add(self.comments.setdefault(int(number), []), fields)
            case ("PATCH", "issues", "comments", identity):
                everything = [item for items in self.comments.values() for item in items]
                return self._change(everything, int(identity), fields)
            case ("DELETE", "issues", "comments", identity):
                for items in self.comments.values():
                    items[:] = [item for item in items if item["id"] != int(identity)]
                return None
            case ("GET", "actions", "runs", run):
                return self.runs[int(run)]
            case ("GET", "actions", "runs", run, "artifacts"):
                mine = [item for item in self.artefacts if item["workflow_run"]["id"] == int(run)]
                return {"artifacts": [item for item in mine if item["name"] == asked["name"]]}
            case ("GET", "actions", "artifacts"):
                return {"artifacts": [item for item in self.artefacts if item["name"] == asked["name"]]}
            case ("GET", "pulls"):
                branch = asked["head"].partition(":")[2]
                return [item for item in self.open if item["head"]["ref"] == branch]
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
                wanted = {rule for rule, value in (fields or {}).items() if value} & {"reviewers", "deployment_branch_policy"}
                if wanted - self.rules:
                    raise Refused(f"Failed to create the environment protection rule: {wanted - self.rules} (HTTP 422)", 422)
                self.environments[name] = fields or {}
                return {}
            case ("GET", "rules", "branches", "main"):
                if isinstance(self.branch_rules, int):
                    raise Refused(f"Upgrade to GitHub Pro (HTTP {self.branch_rules})", self.branch_rules)
                return self.branch_rules
            case ("GET", "branches", "main", "protection"):
                if not self.protection:
                    raise Refused("Branch not protected (HTTP 404)", 404)
                return self.protection
            case ("GET", "environments", name):
                known = self.environments[name]
                asked = [{"type": one["type"], "reviewer": {"id": one["id"]}} for one in known.get("reviewers") or []]
                rule = {"type": "required_reviewers", "prevent_self_review": known.get("prevent_self_review", False)}
                rules: list[dict[str, Any]] = [rule | {"reviewers": asked}] if asked else []
                rules += [{"type": "wait_timer", "wait_timer": known["wait_timer"]}] if known.get("wait_timer") else []
                policy = self.environments[name].get("deployment_branch_policy")
                return {"name": name, "protection_rules": rules, "deployment_branch_policy": policy}
            case ("GET", "environments", name, "deployment-branch-policies"):
                found = [(number, one) for number, (where, one) in enumerate(self.policies) if where == name]
                return {"branch_policies": [_policy(number, name) for number, name in found]}
            case ("DELETE", "environments", name, "deployment-branch-policies", policy):
                assert self.policies.pop(int(policy))[0] == name
                return None
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
        item |= {"created_at": self.now, "updated_at": self.now}
        items.append(item | dict(fields or {}))
        return items[-1]

    def _change(self, items: list[dict[str, Any]], identity: int, fields: Mapping[str, Any] | None) -> dict[str, Any]:
        (item,) = (item for item in items if item["id"] == identity)
        item.update(dict(fields or {}) | {"updated_at": self.now})
        return item

    @property
    def now(self) -> str:
        """A time that goes on with each call, as GitHub writes it."""
        return f"2026-01-01T00:{self.clock // 60:02}:{self.clock % 60:02}Z"

    def download(self, path: str) -> bytes:
        identity = int(path.split("/")[-2])
        (content,) = (item["content"] for item in self.artefacts if item["id"] == identity)
        return bytes(content)

    def run(self, workflow: str, event: str, revision: str, branch: str = "main", owner: str = "acme") -> int:
        """A run of a workflow; return its number."""
        self.clock += 1
        own, head = {"full_name": NAME}, {"full_name": f"{owner}/pets"}
        self.runs[self.clock] = {
            **{"id": self.clock, "path": workflow, "event": event, "head_sha": revision, "head_branch": branch},
            **{"repository": own, "head_repository": head, "html_url": f"https://github/runs/{self.clock}"},
        }
        return self.clock

    def plan_run(self, revision: str, branch: str = "topic", **more: str) -> int:
        return self.run(PLAN_WORKFLOW, more.pop("event", PLAN_EVENT), revision, branch, **more)

    def review_run(self) -> int:
        return self.run(REVIEW_WORKFLOW, REVIEW_EVENT, "main0")

    def upload(self, run: int, name: str, file: str, content: bytes) -> None:
        self.clock += 1
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(file, content)
        self.artefacts.append(
            {
                **{"id": self.clock, "name": name, "expired": False, "created_at": self.now},
                **{"workflow_run": {"id": run}, "content": packed.getvalue()},
            }
        )

    def propose(self, number: int, revision: str, branch: str = "topic") -> None:
        head = {"sha": revision, "ref": branch, "repo": {"full_name": NAME}}
        self.open = [item for item in self.open if item["number"] != number] + [{"number": number, "head": head}]

    def merge(self, number: int, head: str, merged: str) -> None:
        self.clock += 1
        self.pulls[merged] = [
            {
                **{"number": number, "merge_commit_sha": merged, "merged_at": self.now},
                **{"head": {"sha": head}, "html_url": f"https://github/pull/{number}"},
            }
        ]


def _policy(number: int, name: str) -> dict[str, Any]:
    tag = name.startswith("refs/tags/")
    return {"name": name.removeprefix("refs/tags/"), "type": "tag" if tag else "branch", "id": number}
