"""The experiment that is under way in an environment, and its report.

The role `experiment` writes what it has set up to `<env>/experiments/running.json`; its report is
`<env>/experiments/<time>-<release>.json`, with a page in Markdown beside it, and is written anew each time that somebody looks.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import boto3
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.limits import Limits
from pydantic import ValidationError

from bundle.registry import Store
from delivery.documents import Document, faults
from delivery.environment import Environment
from delivery.errors import DeliveryError
from delivery.experiments.comparison import Copies, Finding, Side, compare_ab, compare_shadow
from delivery.experiments.measurements import Window, balanced, copied, served
from delivery.release.rollouts import RolledOut


class Fleet(Document):
    """One of the two fleets: its Auto Scaling group, and the ARN of its target group."""

    group: str
    target_group: str


class Experiment(Document):
    """What is under way.

    Attributes:
        share: of the predictions that are copied, or of the clients (0 to 1).
        by: who began it.
        begin: UTC, ISO 8601; "" while it is being set up.
        period: seconds of the periods that are compared.
        namespace: of the metrics that hosts send.
        load_balancer: its ARN.
    """

    schema_version: Literal[1]
    environment: str
    kind: Literal["shadow", "ab"]
    release: RolledOut
    share: float
    by: str
    begin: str
    period: int
    namespace: str
    load_balancer: str
    live: Fleet
    candidate: Fleet


@dataclass(frozen=True)
class Report:
    """What an experiment has found so far.

    Attributes:
        window: that the figures are of.
        copies: of a shadow; None otherwise.
        final: the experiment ends with it.
    """

    experiment: Experiment
    window: Window
    live: Side
    candidate: Side
    copies: Copies | None
    findings: list[Finding]
    final: bool

    @property
    def name(self) -> str:
        """Of the report's objects, without what says their format."""
        begin = self.experiment.begin[:19].replace("-", "").replace(":", "")
        return f"{self.experiment.environment}/experiments/{begin}Z-{self.experiment.release.id}"

    def document(self) -> dict[str, Any]:
        return {
            **self.experiment.model_dump(mode="json"),
            "outcome": "ended" if self.final else "running",
            "from": self.window.begin.isoformat(timespec="seconds"),
            "to": self.window.end.isoformat(timespec="seconds"),
            "measured": {
                "live": _figures(self.live),
                "candidate": _figures(self.candidate),
                "copies": asdict(self.copies) if self.copies else None,
            },
            "findings": [asdict(finding) for finding in self.findings],
        }


def running(environment: Environment) -> Experiment:
    """Return the experiment that is under way. Raises DeliveryError where there is none, or it is still being set up."""
    store, key = Store(environment.releases_bucket), f"{environment.name}/experiments/running.json"
    data = store.read(key)
    if data is None:
        raise DeliveryError(
            f"no experiment is under way in {environment.name}; make experiment ENV={environment.name} begins one"
        )
    try:
        found = Experiment.model_validate_json(data)
    except ValidationError as error:
        raise DeliveryError(f"{store.location(key)} describes no experiment: {faults(error)}") from None
    if not found.begin:
        raise DeliveryError(
            f"the experiment with {found.release.id} is not set up yet, by {found.by}; if that has failed, the same make "
            "experiment again goes on with it"
        )
    return found


def measure(experiment: Experiment, now: datetime, limits: Limits | None = None, final: bool = False) -> Report:
    """Read the figures, and say what they mean."""
    limits = limits or Limits()
    window = Window.until(datetime.fromisoformat(experiment.begin), now, experiment.period)
    copies, fleets = None, (experiment.live, experiment.candidate)
    if experiment.kind == "ab":
        live, candidate = (balanced(window, experiment.load_balancer, fleet.target_group) for fleet in fleets)
        findings = compare_ab(live, candidate, limits)
    else:
        live, candidate = (served(window, experiment.namespace, fleet.group) for fleet in fleets)
        copies = copied(window, experiment.namespace, experiment.live.group)
        findings = compare_shadow(copies, limits)
    return Report(experiment, window, live, candidate, copies, findings, final)


def keep(environment: Environment, report: Report, page: str) -> str:
    """Write a report and its page; return the address of the report."""
    s3: Any = boto3.client("s3")
    document = json.dumps(report.document(), indent=1, ensure_ascii=False) + "\n"
    for suffix, kind, text in (("json", "application/json", document), ("md", "text/markdown", page)):
        s3.put_object(Bucket=environment.releases_bucket, Key=f"{report.name}.{suffix}", Body=text.encode(), ContentType=kind)
    return f"s3://{environment.releases_bucket}/{report.name}.json"


def _figures(side: Side) -> dict[str, Any]:
    return {
        **asdict(side),
        "medians": {datetime.fromtimestamp(at, UTC).isoformat(): value for at, value in sorted(side.medians.items())},
    }
