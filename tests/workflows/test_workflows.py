"""The workflows: each command exists, each permission is needed, and each job takes the role that trusts it."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.roles.inventory_values import ENVIRONMENTS, Values

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
NAMES = {"ci", "plan", "review", "deploy", "model-release", "rollback", "drift", "image-refresh", "destroy", "environment"}
# What others call for each environment.
CALLED = ROOT / ".github/workflows/environment.yml"
LEVELS = ("none", "read", "write")
Job = dict[str, Any]

# What an action or a make target asks of GitHub with the job's token.
NEEDS_OF_ACTIONS = {
    "actions/checkout": {"contents": "read"},
    "actions/upload-artifact": {},  # by a token of the run's own
    "aws-actions/configure-aws-credentials": {"id-token": "write"},
}
NEEDS_OF_TARGETS = {
    "deploy": {"actions": "read", "pull-requests": "read"},  # reads the reviewed plan, and who approved
    "drift-issue": {"issues": "write"},
}
# `make release` of a model proposes it; without one, it records what is merged.
NEEDS_OF_A_PROPOSAL = {"contents": "write", "pull-requests": "write"}
NEEDS_OF_A_RECORD = {"pull-requests": "read"}
# `make plan-comment` writes a file, or, of a run of the workflow plan, a comment.
NEEDS_OF_A_REVIEW = {"actions": "read", "pull-requests": "write"}


def content(path: Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text())
    return loaded


def triggers(path: Path) -> dict[str, Any]:
    events: dict[str, Any] = content(path)[True]  # YAML reads `on` as a boolean
    return events


def jobs() -> Iterator[tuple[Path, str, Job]]:
    for path in WORKFLOWS:
        for name, job in content(path)["jobs"].items():
            yield path, name, job


JOBS = [pytest.param(path, job, id=f"{path.stem}-{name}") for path, name, job in jobs() if "steps" in job]
CALLS = [pytest.param(path, job, id=f"{path.stem}-{name}") for path, name, job in jobs() if "uses" in job]
AWS_JOBS = [item for item in JOBS if any("configure-aws" in step.get("uses", "") for step in item.values[1]["steps"])]


def targets(job: Job) -> list[str]:
    return [
        word
        for step in job.get("steps", [])
        for word in step.get("run", "").split()
        if word not in ("sudo", "make") and word[0] != "-"
    ]


def long_scenarios() -> str:
    found = re.search(r"^LONG_SCENARIOS = (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert found
    return found[1]


def known_targets() -> set[str]:
    """The targets that `make help` tells; that documents name no others, tests/test_repository.py sees."""
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.M)) - {"help"}


def recipe_of(target: str) -> str:
    """The recipe of a make target, and those of the targets that it stands on, as the shell gets them."""
    # Not from `make --dry-run`, which runs every recipe that calls make.
    found = re.search(rf"^{target}:(?P<before>.*?)## .*\n(?P<recipe>(?:\t.*\n)*)", (ROOT / "Makefile").read_text(), re.M)
    assert found, target
    own = [line.removeprefix("\t").removeprefix("@") for line in found["recipe"].splitlines()]
    own += [f"make {called}" for called in re.findall(r"\$\(MAKE\) (\S+)", found["recipe"])]
    text = "\n".join(own).replace("$$", "$").replace("$(PLAYBOOK)", "scripts/with-environment ansible-playbook")
    text = text.replace("$(LONG_SCENARIOS)", long_scenarios())
    return "\n".join([*map(recipe_of, found["before"].split()), text])


def needs(job: Job) -> dict[str, str]:
    """The permissions that the steps of a job need."""
    asked = [NEEDS_OF_ACTIONS[step["uses"].partition("@")[0]] for step in job["steps"] if "uses" in step]
    for target in targets(job):
        if target == "release":
            asked.append(NEEDS_OF_A_PROPOSAL if job["env"]["MODEL"] else NEEDS_OF_A_RECORD)
        if target == "plan-comment" and "PLAN_RUN" in job["env"]:
            asked.append(NEEDS_OF_A_REVIEW)
        asked.append(NEEDS_OF_TARGETS.get(target, {}))
    most: dict[str, str] = {}
    for scopes in asked:
        for scope, level in scopes.items():
            most[scope] = max(most.get(scope, "none"), level, key=LEVELS.index)
    return most


def test_all_workflows_are_there() -> None:
    assert {content(path)["name"] for path in WORKFLOWS} == NAMES
    assert {path.stem for path in WORKFLOWS} == NAMES


@pytest.mark.parametrize(("path", "job"), JOBS)
def test_a_job_has_the_permissions_that_its_steps_need_and_no_other(path: Path, job: Job) -> None:
    assert job["permissions"] == needs(job)


@pytest.mark.parametrize(("path", "job"), JOBS)
def test_only_steps_that_ask_github_get_its_token(path: Path, job: Job) -> None:
    asks = set(needs(job)) - {"id-token"} != {"contents"} or needs(job).get("contents") == "write"
    given = "GH_TOKEN" in job.get("env", {}) or any("GH_TOKEN" in step.get("env", {}) for step in job["steps"])
    assert given == asks


@pytest.mark.parametrize(("path", "job"), JOBS)
def test_the_signing_key_is_where_records_are_signed(path: Path, job: Job) -> None:
    used = set(re.findall(r"secrets\.(\w+)", yaml.safe_dump(job)))
    signs = "deploy" in targets(job) or ("release" in targets(job) and not job["env"]["MODEL"])
    assert used == ({"RELEASE_SIGNING_KEY"} if signs else set())
    steps = [step["run"] for step in job["steps"] if "secrets." in yaml.safe_dump(step)]
    assert steps == [f"sudo -E make {target}" for target in targets(job) if target in ("deploy", "release") and signs]
    assert "secrets." not in yaml.safe_dump({name: value for name, value in job.items() if name != "steps"})


@pytest.mark.parametrize(("path", "job"), AWS_JOBS)
def test_packages_are_installed_before_there_are_credentials_and_are_given_no_token(path: Path, job: Job) -> None:
    names = [step.get("uses", "").partition("@")[0] or step["run"] for step in job["steps"]]
    installed = names.index("sudo --preserve-env=TORCH_INDEX_URL make setup")
    assert installed < names.index("aws-actions/configure-aws-credentials")
    # What every other step of the job is given, such as the right to ask for an AWS role's token, sudo leaves out.
    assert "env" not in job["steps"][installed]
    assert all("make" not in name for name in names[:installed])


@pytest.mark.parametrize("target", sorted({target for _, _, job in jobs() for target in targets(job)} | known_targets()))
def test_what_a_target_runs_exists(target: str) -> None:
    shown = recipe_of(target)
    named = re.findall(r"\b(?:scripts|playbooks)/[\w./-]+", shown)
    modules = [Path(name.replace(".", "/")) for name in re.findall(r"python -m ([\w.]+)", shown)]
    assert named or modules, shown
    for path in named:
        assert (ROOT / path).is_file(), path
        assert path.endswith((".yml", ".mjs")) or os.access(ROOT / path, os.X_OK), path
    for module in modules:
        assert (ROOT / module / "__main__.py").is_file() or (ROOT / module).with_suffix(".py").is_file(), module
    scenarios = re.findall(r"scripts/test-on-hosts (.*)", shown)
    for name in " ".join(scenarios).replace("$(HOST_SCENARIOS)", "").split():
        assert (ROOT / "molecule" / name / "molecule.yml").is_file(), name
    for path in re.findall(r"\bpytest (\w+/[\w/]+)", shown):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize(("path", "job"), AWS_JOBS)
def test_a_job_in_an_environment_is_of_the_main_branch(path: Path, job: Job) -> None:
    # Which branches an environment lets in is a rule of GitHub's, which is missing where a job has made the environment.
    if "environment" not in job:
        return
    for caller, asking in [call.values for call in CALLS] if path == CALLED else [(path, job)]:
        if triggers(caller) == {"push": {"branches": ["main"]}}:
            continue
        merged = "github.event.pull_request.merged" in asking["if"]
        merged = merged and triggers(caller)["pull_request"]["branches"] == ["main"]
        assert "github.ref == 'refs/heads/main'" in asking["if"] or merged, caller


@pytest.mark.parametrize(("path", "job"), AWS_JOBS)
def test_a_job_takes_the_role_that_trusts_its_token(path: Path, job: Job) -> None:
    trusted = yaml.safe_load((ROOT / "roles/identity/vars/main.yml").read_text())["__identity_ci_workflows"]
    (taken,) = (step["with"] for step in job["steps"] if "configure-aws" in step.get("uses", ""))
    if "environment" not in job:
        kind, role = "plan", "${{ inputs.plan_role }}" if path == CALLED else "${{ matrix.plan_role }}"
        # Without an environment, the subject of a token names the event, or the branch.
        assert set(triggers(path)) == {"pull_request"} or "github.ref == 'refs/heads/main'" in job["if"]
        assert trusted[kind]["subjects"] == ["pull_request", "ref:refs/heads/main"]
    else:
        kind, role = ("destroy" if path.stem == "destroy" else "deploy"), "${{ vars.AWS_ROLE_ARN }}"
        (subject,) = trusted[kind]["subjects"]
        assert job["environment"].endswith("-destroy") == subject.endswith("-destroy")
        assert job["environment"].removesuffix("-destroy") == job["env"]["ENV"]
    assert taken["role-to-assume"] == role
    assert taken.get("role-duration-seconds", 3600) <= trusted[kind]["session_seconds"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_code_from_a_fork_meets_no_credentials(path: Path) -> None:
    assert "pull_request_target" not in triggers(path)
    if "workflow_run" in triggers(path):
        assert path.stem == "review"
        return
    if "pull_request" not in triggers(path):
        return
    for job in content(path)["jobs"].values():
        if "id-token" in job["permissions"] or "secrets." in yaml.safe_dump(job):
            own = "github.event.pull_request.head.repo.full_name == github.repository"
            assert own in job["if"] or "github.event_name != 'pull_request'" in job["if"]


def test_code_of_a_pull_request_writes_nothing_and_shows_nothing() -> None:
    (job,) = content(ROOT / ".github/workflows/plan.yml")["jobs"].values()
    assert {scope for scope, level in job["permissions"].items() if level == "write"} == {"id-token"}
    assert not job.keys() & {"environment"}
    assert "secrets." not in yaml.safe_dump(job)


def test_what_shows_a_plan_is_the_main_branch_and_runs_nothing_that_is_proposed() -> None:
    path = ROOT / ".github/workflows/review.yml"
    assert triggers(path) == {"workflow_run": {"workflows": ["plan"], "types": ["completed"]}}
    (job,) = content(path)["jobs"].values()
    assert "github.event.workflow_run.head_repository.full_name == github.repository" in job["if"]
    assert "id-token" not in job["permissions"]
    own, proposed = (step["with"] for step in job["steps"] if step.get("uses", "").startswith("actions/checkout"))
    assert not own.keys() & {"ref", "path"}  # the default branch, for this event
    assert proposed["path"] == job["env"]["PROPOSED"]
    assert not proposed["persist-credentials"]
    assert targets(job) == ["setup", "plan-comment"]


def test_what_one_workflow_leaves_the_next_finds() -> None:
    def uploaded(name: str) -> dict[str, Any]:
        (job,) = content(ROOT / f".github/workflows/{name}.yml")["jobs"].values()
        (found,) = (step["with"] for step in job["steps"] if "upload-artifact" in step.get("uses", ""))
        assert found["include-hidden-files"]
        return found

    plan, review = uploaded("plan"), uploaded("review")
    assert (plan["name"], Path(plan["path"]).name) == ("plan-${{ matrix.env }}", "plan.json")
    assert review["name"] == "review-${{ matrix.env }}-${{ github.event.workflow_run.head_sha }}"
    assert Path(review["path"]).name == "review.json"


@pytest.mark.parametrize("path", sorted({*WORKFLOWS} - {CALLED}), ids=lambda path: path.stem)
def test_what_changes_something_is_never_cut_short(path: Path) -> None:
    concurrency = content(path)["concurrency"]
    assert concurrency["cancel-in-progress"] is (path.stem in ("ci", "plan"))


@pytest.mark.parametrize(("path", "job"), CALLS)
def test_of_several_environments_one_does_not_cut_another_short(path: Path, job: Job) -> None:
    assert job["strategy"]["fail-fast"] is False
    # Of a group of its own, a call would wait for the workflow that it is a part of.
    assert "concurrency" not in content(CALLED)


def test_one_thing_at_a_time_is_done_to_the_environments() -> None:
    groups = {path.stem: content(path)["concurrency"]["group"] for path in {*WORKFLOWS} - {CALLED}}
    assert groups["deploy"] == groups["image-refresh"] == groups["destroy"] == "deploy"
    # It may have to take back what a deployment is doing.
    assert groups["rollback"] != "deploy"


@pytest.mark.parametrize(("path", "job"), CALLS)
def test_a_call_says_all_that_is_asked_and_allows_what_is_needed(path: Path, job: Job) -> None:
    assert (ROOT / job["uses"]).resolve() == CALLED
    called = triggers(CALLED)["workflow_call"]
    required = {name for name, one in called["inputs"].items() if one["required"]}
    assert required <= set(job["with"]) <= set(called["inputs"])
    # The key is of the environment, which a caller is not in: naming it lets the called job take it.
    assert job["secrets"] == {name: f"${{{{ secrets.{name} }}}}" for name in called["secrets"]}
    allowed: dict[str, str] = {}
    for each in content(CALLED)["jobs"].values():
        allowed |= each["permissions"]
    assert job["permissions"] == allowed


def steps_of(work: str) -> list[str]:
    """The make targets that are run for an environment, for one kind of work."""

    def runs(condition: str) -> bool:
        found = re.fullmatch(r"inputs\.work (==|!=) '(\w+)'", condition)
        assert found, condition
        return (found[2] == work) == (found[1] == "==")

    steps = content(CALLED)["jobs"]["work"]["steps"]
    return targets({"steps": [step for step in steps if "if" not in step or runs(step["if"])]})


@pytest.mark.parametrize("name", ["deploy", "image-refresh"])
def test_production_comes_after_staging_and_its_smoke_test_and_an_approval(name: str) -> None:
    found = content(ROOT / f".github/workflows/{name}.yml")["jobs"]
    first, second = found["first"], found["second"]
    assert second["needs"] == "first"
    # Of each environment the variable says the stage, which the inventory says.
    assert (Values("staging")["ci_stage"], Values("production")["ci_stage"]) == (1, 2)
    for stage, job in enumerate((first, second), 1):
        assert job["strategy"]["matrix"]["include"] == "${{ fromJSON(vars.AWS_ENVIRONMENTS) }}"
        assert job["with"]["env"] == "${{ matrix.env }}"
        assert job["with"]["wanted"] == f"${{{{ matrix.stage == {stage} }}}}"
        assert steps_of(job["with"]["work"])[-1] == "smoke"
    # Those of stage 1 may be missing, but not have failed.
    assert "!failure() && !cancelled()" in second["if"]


def test_nothing_is_done_to_an_environment_that_is_not_meant_and_an_approval_is_its_own() -> None:
    jobs_of_one = content(CALLED)["jobs"]
    assert all(re.match(r"inputs\.wanted && ", job["if"]) for job in jobs_of_one.values())
    assert jobs_of_one["work"]["environment"] == "${{ inputs.env }}"


def test_a_merge_runs_nothing_but_what_compares_with_the_review() -> None:
    for job in content(ROOT / ".github/workflows/deploy.yml")["jobs"].values():
        assert steps_of(job["with"]["work"]) == ["setup", "deploy", "smoke"]
    assert steps_of("refresh") == ["setup", "release", "rollout", "smoke"]
    assert steps_of("record") == ["setup", "release"]


def test_who_approves_sees_what_the_plan_is_now() -> None:
    # Where no pull request can write.
    look, work = content(CALLED)["jobs"]["look"], content(CALLED)["jobs"]["work"]
    assert targets(look) == ["setup", "plan", "plan-comment"]
    assert work["needs"] == "look"
    second = content(ROOT / ".github/workflows/deploy.yml")["jobs"]["second"]
    assert second["with"]["plan_role"] == "${{ matrix.plan_role }}"


def test_a_merged_pin_is_recorded_here_where_no_merge_is_deployed_by_itself() -> None:
    record = content(ROOT / ".github/workflows/model-release.yml")["jobs"]["record"]
    assert record["with"]["work"] == "record"
    assert record["with"]["wanted"] == "${{ matrix.stage == 0 && endsWith(github.head_ref, format('-{0}', matrix.env)) }}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_new_environment_is_no_change_of_a_workflow(path: Path) -> None:
    said = yaml.safe_dump({**content(path), "name": ""})
    assert [name for name in ENVIRONMENTS if re.search(rf"\b{name}\b", said)] == []


@pytest.mark.parametrize("name", ["rollback", "destroy", "model-release"])
def test_an_environment_that_a_person_names_is_one_that_was_bootstrapped(name: str) -> None:
    path = ROOT / f".github/workflows/{name}.yml"
    # GitHub offers its environments, which are those and, for one, what removes them.
    assert triggers(path)["workflow_dispatch"]["inputs"]["env"]["type"] == "environment"
    job, *_ = content(path)["jobs"].values()
    assert "contains(fromJSON(vars.AWS_ENVIRONMENTS || '[]').*.env, " in job["if"]
    assert "inputs.env" in job["if"]


def test_an_environment_is_removed_only_by_its_typed_name() -> None:
    (job,) = content(ROOT / ".github/workflows/destroy.yml")["jobs"].values()
    assert "inputs.confirm == inputs.env" in job["if"]
    assert job["env"]["CONFIRM"] == "${{ inputs.confirm }}"


@pytest.mark.parametrize(("target", "variable"), [("rollback", "TO"), ("destroy", "CONFIRM")])
def test_what_a_person_types_is_no_part_of_a_command(target: str, variable: str, tmp_path: Path) -> None:
    typed = f"x; touch {tmp_path}/done"
    recipe = [line for line in recipe_of(target).splitlines() if not line.startswith("scripts/setup")]
    done = subprocess.run(
        ["bash", "-euc", "\n".join(recipe).replace("scripts/with-environment", "echo")],
        cwd=tmp_path,
        env=os.environ | {variable: typed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert f"{variable}={typed} is no " in done.stderr
    assert not (tmp_path / "done").exists()


def test_the_rehearsal_plays_what_a_merge_and_the_schedules_run() -> None:
    played = set(re.findall(r"make ([a-z -]+)\"\)", (ROOT / "molecule/merge/test_merge.py").read_text()))
    words = {word for line in played for word in line.split()}
    names = ("plan", "environment", "drift", "rollback")
    run = {target for path, _, job in jobs() if path.stem in names for target in targets(job)}
    assert run - {"setup"} <= words
