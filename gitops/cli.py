"""Command line of the gitops package; `make` and the workflows call it.

Exit status: 0 done; 1 refused, with the reason; 2 wrong usage, or drift was found; 3 (`decide`) there is nothing to apply;
4 (`policy`) an error of the guard rails stands.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitops.errors import GitOpsError

if TYPE_CHECKING:
    from gitops.comments import Review
    from gitops.cost import Estimate
    from gitops.policy import Judgement

EXIT_REFUSED = 1
EXIT_DRIFT = 2
EXIT_NOTHING = 3
EXIT_VIOLATED = 4
# Characters of a comment for the guard rails; the plan itself needs most of them.
RAILS_ROOM = 15_000

_environment = click.option("--env", "environment", required=True, help="Environment: a folder of inventories/.")
_repository = click.option("--repository", envvar="GITHUB_REPOSITORY", default="", help="On GitHub: owner/name.")


@click.group(epilog="Exit status: 0 done; 1 refused; 2 wrong usage, or drift; 3 nothing to apply; 4 guard rails.")
def main() -> None:
    """Show plans to reviewers, and apply what they have seen."""


def _reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        from release.errors import ReleaseError

        try:
            command(*args, **kwargs)
        except (GitOpsError, ReleaseError) as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(EXIT_REFUSED)
        except (BotoCoreError, ClientError) as error:
            click.echo(f"Error: AWS refused: {error}", err=True)
            sys.exit(EXIT_REFUSED)

    return run


def _reports(environment: str) -> Path:
    """Return the directory of the reports, as scripts/plan knows it."""
    return Path(os.environ.get("PLAN_DIRECTORY") or Path(".cache/plan") / environment)


def _written(environment: str, name: str) -> tuple[dict[str, Any], str]:
    """Return the report of `make plan` or `make drift`, as data and as Markdown."""
    directory = _reports(environment)
    try:
        report = json.loads((directory / f"{name}.json").read_text())
        return report, (directory / f"{name}.md").read_text()
    except FileNotFoundError:
        raise GitOpsError(f"there is no {name} of {environment} yet: make {name} ENV={environment}") from None


def _judge_of(environment: str, root: Path = Path()) -> "Callable[[dict[str, Any]], Judgement]":
    """Return what says what the guard rails say of a plan, today. All that it goes by is read then.

    Rules are this code's own; variables and waivers are those of the tree `root`.
    """
    from gitops.policy import judge
    from gitops.policy_files import described, read_rules, read_waivers
    from gitops.secret_scan import secrets_of

    today = datetime.now(UTC).date()
    more, rules, waivers = [*described(environment, root)], read_rules(), read_waivers(environment, root)
    return lambda plan: judge(plan, more, rules, waivers, today=today, secrets_of=secrets_of)


def _show(lines: Iterable[tuple[str, str | None]]) -> None:
    for line, colour in lines:
        style: dict[str, Any] = {"bold": True} if colour == "bold" else {"fg": colour}
        click.echo(click.style(line, **style))


def _conclude(judgement: "Judgement") -> None:
    """Say what the guard rails say of a plan, and leave with status 4 when an error stands."""
    from gitops.policy_text import terminal

    _show(terminal(judgement))
    if judgement.of("error"):
        sys.exit(EXIT_VIOLATED)


@main.command()
@_environment
@click.argument("names", nargs=-1, required=True)
@_reports_errors
def join(environment: str, names: tuple[str, ...]) -> None:
    """Make one plan of its parts NAMES, show it, and judge it as `policy` does if it is complete.

    scripts/plan lets Ansible make the parts side by side. They are there when standard input ends.
    """
    from gitops.joining import join as joined

    judge = _judge_of(environment)
    sys.stdin.read()
    directory = _reports(environment)
    reports, lines = joined([directory / "parts" / f"{name}.json" for name in names])
    for file, text in reports.items():
        (directory / file).write_text(text)
    _show(lines)
    plan = json.loads(reports["plan.json"])
    if plan["complete"]:
        _conclude(judge(plan))


@main.command()
@_environment
@_reports_errors
def policy(environment: str) -> None:
    """Judge the plan that `make plan` wrote by the guard rails; exit status 4 when an error stands."""
    plan, _ = _written(environment, "plan")
    _conclude(_judge_of(environment)(plan))


@main.command()
@_environment
@_repository
@click.option("--run", envvar="PLAN_RUN", type=int, help="Run of the workflow plan; without it, nothing is sent.")
@click.option(
    "--proposed",
    envvar="PROPOSED",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Tree of what is proposed. It is read, and nothing of it is run.",
)
@click.option("--whole-at", envvar="WHOLE_AT", default="make plan says all", help="Where all of it can be read.")
@click.option(
    "--summary", envvar="GITHUB_STEP_SUMMARY", type=click.Path(path_type=Path), help="File that all of it is added to."
)
@_reports_errors
def comment(
    environment: str, repository: str, *, run: int | None, proposed: Path, whole_at: str, summary: Path | None
) -> None:
    """Show a plan to people, and write down what was shown: that of `make plan`, or, of a run, on its pull request.

    The plan of a run was made by the code of a pull request, and is shown by this code.
    """
    from gitops.comments import body, read_plan, review_of, whole
    from gitops.github import Repository
    from gitops.policy_files import refuse_links_out

    directory, on_github = _reports(environment), None
    if run:
        on_github = Repository(repository)
        found = on_github.proposed(run, environment)
        if found is None:
            click.echo(f"{environment}: the pull request has gone on since, or was closed; nothing is shown")
            return
        refuse_links_out(proposed)
        plan = read_plan(found.plan, environment)
        review = review_of(plan, found.revision).model_copy(update={"number": found.number})
    else:
        plan, _ = _written(environment, "plan")
        review = review_of(plan, "the work tree")
    rails, cost = _rails_part(plan, proposed), _cost_part(plan, proposed)
    everything = whole(plan, rails(sys.maxsize), cost, review.revision)
    text = body(plan, rails(RAILS_ROOM), cost, review.revision, whole_at=whole_at)
    if summary:
        with summary.open("a") as file:
            file.write(everything + "\n")
    shown = ""
    if on_github and review.number:
        made = on_github.show(review.number, environment, text)
        review = review.model_copy(update={"comment": made["id"], "text": made["body"]})
        shown = made["html_url"]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "comment.md").write_text(text)
    (directory / "review.json").write_text(review.model_dump_json(indent=2) + "\n")
    click.echo(shown or directory / "comment.md")


def _rails_part(plan: dict[str, Any], root: Path) -> Callable[[int], str]:
    """Return the comment's part about the guard rails, by how many characters it may have."""
    from gitops.policy_text import markdown
    from gitops.shared import code

    try:
        judgement = _judge_of(plan["environment"], root)(plan)
    except GitOpsError as error:
        reason = str(error)
        return lambda _: f"> [!CAUTION]\n> The guard rails could not judge this: {code(reason)}"
    return lambda limit: markdown(judgement, limit)


def _cost_part(plan: dict[str, Any], root: Path) -> str:
    """Return the comment's part about cost. Prices that cannot be read are no reason to keep a plan from its reviewers."""
    from gitops.cost_text import comment_part
    from gitops.shared import code

    try:
        return comment_part(_estimate(plan, root))
    except GitOpsError as error:
        return f"**Cost per month:** not known; {code(error)}"


def _estimate(plan: dict[str, Any], root: Path = Path()) -> "Estimate":
    from gitops.cost import estimate
    from gitops.prices import read_prices, read_usage

    return estimate(plan, read_prices(), read_usage(plan["environment"], root))


@main.command()
@_environment
@_reports_errors
def cost(environment: str) -> None:
    """Say what the environment costs a month, before and after what `make plan` found; the whole into cost.json."""
    from gitops.cost_text import as_json, table

    plan, _ = _written(environment, "plan")
    found = _estimate(plan)
    for line in table(found):
        click.echo(line)
    saved = _reports(environment) / "cost.json"
    saved.write_text(json.dumps(as_json(found), indent=2, ensure_ascii=False) + "\n")
    click.echo(f"The report: {saved}", err=True)


@main.command()
@_environment
@_reports_errors
def prices(environment: str) -> None:
    """Write what a bill of the environment is made of: list prices, and what is assumed about use; JSON."""
    from gitops.prices import as_json, read_prices, read_usage

    click.echo(json.dumps(as_json(read_prices(), read_usage(environment))))


@main.command()
@_environment
@_repository
@click.option("--revision", envvar="GITHUB_SHA", help="Commit of the main branch that is deployed.")
@click.option(
    "--reviewed",
    envvar="REVIEWED",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A review.json, instead of GitHub's.",
)
@_reports_errors
def decide(environment: str, repository: str, revision: str | None, reviewed: Path | None) -> None:
    """Compare the plan that `make plan` wrote with the one that was reviewed."""
    from gitops.comments import read_review
    from gitops.github import Repository
    from gitops.plans import decide as decision_of

    fresh, _ = _written(environment, "plan")
    found: Review | None
    if reviewed:
        found = read_review(reviewed.read_bytes(), environment)
    elif revision:
        found = Repository(repository).reviewed(revision, environment)
    else:
        raise GitOpsError(
            f"name the plan that was reviewed: REVIEWED=.cache/plan/{environment}/review.json, which make plan-comment "
            "writes, or GITHUB_SHA, a commit whose pull request shows it. make apply asks for no review"
        )
    decision = decision_of(found.plan if found else None, fresh)
    for resource in decision.done:
        click.echo(f"done already: {resource}")
    if not decision.go:
        reasons = "\n".join(f"  {reason}" for reason in decision.reasons)
        raise GitOpsError(
            f"{environment} is not as it was when the plan was reviewed, so nothing is applied:\n{reasons}\n"
            "Open a pull request, an empty commit will do: its plan shows what is to be done now"
        )
    if not fresh["changes"] and found is None:
        click.echo(f"{environment}: nothing to apply")
        sys.exit(EXIT_NOTHING)
    click.echo(f"{environment}: {len(fresh['changes'])} changes, all as they were reviewed")


@main.command()
@_environment
@_repository
@_reports_errors
def drift(environment: str, repository: str) -> None:
    """Keep the issue that says what `make drift` found; exit status 2 when it found something."""
    from gitops.drift import body, drifted
    from gitops.github import Repository

    report, markdown = _written(environment, "drift")
    text = body(report, markdown)
    if repository:
        step = Repository(repository).report(environment, report, text)
        click.echo(f"issue of {environment}: {step.action}" + (f" #{step.number}" if step.number else ""))
    elif drifted(report):
        click.echo(text)
    if drifted(report):
        sys.exit(EXIT_DRIFT)


@main.command()
@_environment
def running(environment: str) -> None:
    """Say what ENV has that is paid for by the hour, and how it goes away; nothing where there is nothing, or nobody may look.

    For the end of a run that failed: what it failed of has been said, and is not said again.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from gitops.prices import read_prices, read_usage
    from gitops.running import found, text
    from release.environment import ask_inventory
    from release.errors import ReleaseError

    try:
        _, said = ask_inventory(environment)
        resources = found(said["region"], said["tags"])
        usage, prices = read_usage(environment), read_prices()
    except (GitOpsError, ReleaseError, BotoCoreError, ClientError):
        return
    for line in text(environment, resources, said["region"], prices, usage):
        click.echo(line)


@main.command()
@_environment
@click.option("--seconds", default=300.0, help="Patience until the first answer.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_reports_errors
def smoke(environment: str, seconds: float, file: Path) -> None:
    """Ask the balancer about FILE, and see that the model answers that was rolled out last."""
    from gitops.smoke import ANSWERS, ask, expected_digest, find_balancer
    from gitops.smoke import smoke as until_right
    from release.environment import read_environment

    known = read_environment(environment)
    balancer, digest = find_balancer(known), expected_digest(known)
    answer = until_right(lambda: ask(balancer, file), digest, seconds)
    best = answer["predictions"][0]
    click.echo(
        f"{environment}: {best['class']}, {best['confidence']:.0%}; {ANSWERS} answers of {answer['model']['name']} "
        f"{answer['model']['version']} ({digest[:19]}…)"
    )


@main.command()
@click.argument("repository")
@_reports_errors
def subject(repository: str) -> None:
    """Say what the subjects of tokens begin with that GitHub gives to workflows of REPOSITORY (owner/name), and its number."""
    from gitops.subject import number
    from gitops.subject import subject as subject_of

    click.echo(subject_of(repository))
    click.echo(number(repository))


@main.command()
@click.argument("repository")
@_environment
@_reports_errors
def disconnect(repository: str, environment: str) -> None:
    """Let REPOSITORY (owner/name) on GitHub forget an environment, through `gh`; what others have put there stays."""
    from gitops.connect import disconnect as forget

    for sentence in forget(repository, environment):
        click.echo(sentence)


@main.command()
@_environment
@_reports_errors
def connect(environment: str) -> None:
    """Tell the repository on GitHub the roles that `make bootstrap` made, through `gh`; what it knows is left alone."""
    from gitops.connect import Roles
    from gitops.connect import connect as tell

    written = Path(".cache/bootstrap") / f"{environment}.json"
    made = json.loads(written.read_text())
    roles = Roles(**made["roles"])
    try:
        for sentence in tell(made["repository"], environment, roles, made["stage"]):
            click.echo(sentence)
    except GitOpsError as error:
        raise GitOpsError(
            f"{error}\nAWS is ready, and GitHub does not know it yet: gh auth login, as somebody who administers "
            f"{made['repository']}, and run the same again; or set by hand what docs/start-on-aws.md lists. The roles are in "
            f"{written}"
        ) from None
