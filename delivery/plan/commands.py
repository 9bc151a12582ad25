"""Commands about plans: make one, show one to people, compare it with the reviewed one, and keep the issue of drift."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from delivery.command_line import EXIT_DRIFT, EXIT_NOTHING, EXIT_REFUSED, environment_option, reports_errors, repository_option
from delivery.errors import DeliveryError
from delivery.plan.check_mode import PARTS, check_mode
from delivery.plan.reports import join, read_report, report_directory
from delivery.policy.commands import conclude, show

if TYPE_CHECKING:
    from delivery.plan.comments import Review

# Characters of a comment for the guard rails; the plan itself needs most of them.
RAILS_ROOM = 15_000


@click.command()
@environment_option
@click.option("--detailed", envvar="DETAILED", is_flag=True, help="End with status 2 where a plan names a difference.")
@click.argument("name", type=click.Choice(["plan", "drift"]), default="plan")
@click.argument("options", nargs=-1, metavar="[-- ANSIBLE-PLAYBOOK OPTION...]")
@reports_errors
def plan(environment: str, name: str, options: tuple[str, ...], detailed: bool) -> None:
    """Say what playbooks/site.yml would change, judged as by `policy`, and write it as JSON and Markdown; or look for drift.

    Exit status 1 when it could not look at everything; 2 when there are differences, of drift always; 4 when an error stands.
    """
    directory = report_directory(environment)
    report = directory / f"{name}.json"
    for earlier in (report, directory / f"{name}.md", *directory.glob("parts/*")):
        earlier.unlink(missing_ok=True)
    try:
        failed = (_look_for_drift if name == "drift" else _make_plan)(environment, directory, options)
    finally:
        if report.exists():
            click.echo(f"The report: {report}, {report.with_suffix('.md')}", err=True)
    if failed:
        sys.exit(EXIT_REFUSED)
    found = json.loads(report.read_text())
    if (detailed or name == "drift") and (found["changes"] or found["unmanaged"]):
        sys.exit(EXIT_DRIFT)


def _look_for_drift(environment: str, directory: Path, options: Sequence[str]) -> bool:
    """Tell whether the playbook failed. What nothing manages is named with its price; where the prices are wrong, without."""
    from delivery.cost.prices import as_json, read_prices, read_usage

    settings = {}
    try:
        prices = json.dumps(as_json(read_prices(), read_usage(environment)))
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "prices.json").write_text(prices)
        settings["PLAN_PRICES"] = str(directory / "prices.json")
    except DeliveryError as error:
        click.echo(f"Error: {error}", err=True)
    with check_mode(environment, directory, ["drift"], options, **settings) as (looking,):
        return looking.wait() != 0


def _make_plan(environment: str, directory: Path, options: Sequence[str]) -> bool:
    """Tell whether a part failed. They look side by side, each on a core of its own, and are shown as one plan."""
    with check_mode(environment, directory / "parts", PARTS, options, PLAN_PART="yes") as looking:
        os.nice(10)  # with what they leave of the cores, what judges their parts gets ready
        from delivery.policy.files import judge_of

        judge = judge_of(environment)
        statuses = [process.wait() for process in looking]
    files, lines = join([directory / "parts" / f"{name}.json" for name in PARTS])
    for file, text in files.items():
        (directory / file).write_text(text)
    show(lines)
    whole = json.loads(files["plan.json"])
    if whole["complete"]:
        conclude(judge(whole))
    return any(statuses)


@click.command()
@environment_option
@repository_option
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
@reports_errors
def comment(environment: str, repository: str, *, run: int | None, proposed: Path, whole_at: str, summary: Path | None) -> None:
    """Show a plan to people, and write down what was shown: that of `make plan`, or, of a run, on its pull request.

    The plan of a run was made by the code of a pull request, and is shown by this code.
    """
    from delivery.plan.comments import body, read_plan, review_of, whole
    from delivery.plan.reviews import Repository
    from delivery.policy.files import refuse_links_out

    directory, on_github = report_directory(environment), None
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
        plan, _ = read_report(environment, "plan")
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
    from ansible_collections.pettracker.aws.plugins.module_utils.plan.markdown import code

    from delivery.policy.files import judge_of
    from delivery.policy.text import markdown

    try:
        judgement = judge_of(plan["environment"], root)(plan)
    except DeliveryError as error:
        reason = str(error)
        return lambda _: f"> [!CAUTION]\n> The guard rails could not judge this: {code(reason)}"
    return lambda limit: markdown(judgement, limit)


def _cost_part(plan: dict[str, Any], root: Path) -> str:
    """Return the comment's part about cost. Prices that cannot be read are no reason to keep a plan from its reviewers."""
    from ansible_collections.pettracker.aws.plugins.module_utils.plan.markdown import code

    from delivery.cost.bill import estimate_of
    from delivery.cost.text import comment_part

    try:
        return comment_part(estimate_of(plan, root))
    except DeliveryError as error:
        return f"**Cost per month:** not known; {code(error)}"


@click.command()
@environment_option
@repository_option
@click.option("--revision", envvar="GITHUB_SHA", help="Commit of the main branch that is deployed.")
@click.option(
    "--reviewed",
    envvar="REVIEWED",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A review.json, instead of GitHub's.",
)
@reports_errors
def decide(environment: str, repository: str, revision: str | None, reviewed: Path | None) -> None:
    """Compare the plan that `make plan` wrote with the one that was reviewed."""
    from delivery.plan.comments import read_review
    from delivery.plan.decision import decide as decision_of
    from delivery.plan.reviews import Repository

    fresh, _ = read_report(environment, "plan")
    found: Review | None
    if reviewed:
        found = read_review(reviewed.read_bytes(), environment)
    elif revision:
        found = Repository(repository).reviewed(revision, environment)
    else:
        raise DeliveryError(
            f"name the plan that was reviewed: REVIEWED=.cache/plan/{environment}/review.json, which make plan-comment "
            "writes, or GITHUB_SHA, a commit whose pull request shows it. make apply asks for no review"
        )
    decision = decision_of(found.plan if found else None, fresh)
    for resource in decision.done:
        click.echo(f"done already: {resource}")
    if not decision.go:
        reasons = "\n".join(f"  {reason}" for reason in decision.reasons)
        raise DeliveryError(
            f"{environment} is not as it was when the plan was reviewed, so nothing is applied:\n{reasons}\n"
            "Open a pull request, an empty commit will do: its plan shows what is to be done now"
        )
    if not fresh["changes"] and found is None:
        click.echo(f"{environment}: nothing to apply")
        sys.exit(EXIT_NOTHING)
    click.echo(f"{environment}: {len(fresh['changes'])} changes, all as they were reviewed")


@click.command()
@environment_option
@repository_option
@reports_errors
def drift(environment: str, repository: str) -> None:
    """Keep the issue that says what `make drift` found; exit status 2 when it found something."""
    from delivery.plan.drift import body, drifted
    from delivery.plan.reviews import Repository

    report, markdown = read_report(environment, "drift")
    text = body(report, markdown)
    if repository:
        click.echo(f"issue of {environment}: {Repository(repository).report(environment, report, text)}")
    elif drifted(report):
        click.echo(text)
    if drifted(report):
        sys.exit(EXIT_DRIFT)
