"""What the guard rails say, for a terminal and for the comment of a pull request. Pure functions only."""

import sys
from collections.abc import Iterator
from itertools import groupby

from ansible_collections.pettracker.aws.plugins.module_utils.plan.markdown import code

from delivery.policy.judgement import Finding, Judgement, Rule

COLOURS = {"error": "red", "warning": "yellow"}
_CUT = "\n\n… cut here; `make policy` says all of it."
_INCOMPLETE = "The plan is incomplete: what it lacks was not judged, or counts as missing."


def summary(judgement: Judgement) -> str:
    """Return how many findings there are, as one sentence."""
    counts = [(len(judgement.of("error")), "error"), (len(judgement.of("warning")), "warning")]
    parts = [f"{count} {name}{'s' if count > 1 else ''}" for count, name in counts if count]
    sentence = " and ".join(parts) if parts else "no violations"
    return sentence + (f", {len(judgement.waived)} waived" if judgement.waived else "") + "."


def terminal(judgement: Judgement) -> Iterator[tuple[str, str | None]]:
    """Yield lines and their colours."""
    for severity, colour in COLOURS.items():
        for rule, findings in _by_rule(judgement.of(severity)):
            yield f"  ✗ {severity} {rule.id}: {rule.title}", colour
            for finding in findings:
                yield f"      {_named(finding)}", None
            yield f"      Why: {rule.why}", None
            yield f"      Put it right: {rule.fix}", None
    for finding in judgement.waived:
        yield f"  · waived {finding.rule.id}: {_named(finding)}", "cyan"
        yield f"      {_terms(finding)}", None
    for remark in judgement.remarks:
        yield f"  ! {remark}", "yellow"
    if not judgement.complete:
        yield f"  ! {_INCOMPLETE}", "yellow"
    yield f"Guard rails of {judgement.environment}: {summary(judgement)}", "bold"


def markdown(judgement: Judgement, limit: int = sys.maxsize) -> str:
    """Return the part of a comment that comes before the plan, of at most `limit` characters."""
    lines = [f"## Guard rails: {judgement.environment}", "", summary(judgement).capitalize(), ""]
    if judgement.of("error"):
        lines += ["> [!CAUTION]", "> Errors stop the merge.", ""]
    for severity in COLOURS:
        for rule, findings in _by_rule(judgement.of(severity)):
            lines += [f"**{severity} `{rule.id}`: {_escaped(rule.title)}**", ""]
            lines += [f"- {code(_named(finding))}" for finding in findings]
            lines += ["", _escaped(rule.why), "", f"*Put it right:* {_escaped(rule.fix)}", ""]
    if judgement.waived:
        lines += ["Waived:", ""]
        lines += [f"- `{item.rule.id}`, {code(_named(item))}: {code(_terms(item))}" for item in judgement.waived]
        lines.append("")
    lines += [f"> {code(remark)}" for remark in judgement.remarks]
    if not judgement.complete:
        lines += [f"> {_INCOMPLETE}"]
    text = "\n".join(lines).strip()
    return text if len(text) <= limit else text[: limit - len(_CUT)].rpartition("\n")[0] + _CUT


def _by_rule(findings: list[Finding]) -> Iterator[tuple[Rule, list[Finding]]]:
    for _, group in groupby(findings, key=lambda finding: finding.rule.id):
        found = list(group)
        yield found[0].rule, found


def _named(finding: Finding) -> str:
    return finding.resource + (f": {finding.value}" if finding.value else "")


def _terms(finding: Finding) -> str:
    return f"until {finding.waiver.expires}: {finding.waiver.reason.strip()}" if finding.waiver else ""


def _escaped(text: str) -> str:
    """Return a rule's own words; they are the project's."""
    return " ".join(text.split()).replace("<", "&lt;")
