"""From the results of tasks to a plan, and from a plan to what people and programs read."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Owned
from ansible_collections.pettracker.aws.plugins.module_utils.owned_resources import identities, unmanaged
from ansible_collections.pettracker.aws.plugins.module_utils.plan.changes import (
    Change,
    Field,
    Plan,
    Stray,
    as_json,
    changed_fields,
    changes_of,
    named_in,
)
from ansible_collections.pettracker.aws.plugins.module_utils.plan.text import COMMENT_LIMIT, markdown, terminal
from ansible_collections.pettracker.aws.plugins.module_utils.state import as_diff, removal
from markdown_it import MarkdownIt

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/plan.schema.json").read_text())
RULES = {"tcp/443": "from clients", "tcp/80": "from clients"}
GROUP = {"ingress": RULES, "tags": {"Name": "balancer"}}
OPENED = {"ingress": RULES | {"tcp/22": "for a minute only"}, "tags": {"Name": "balancer"}}


def plan_of(*diffs: dict, **more: object) -> Plan:
    return Plan("dev", tuple(changes_of({"changed": True, "diff": list(diffs)}, "Make it")), **more)  # type: ignore[arg-type]


def text_of(plan: Plan) -> str:
    return "\n".join(line for line, _ in terminal(plan))


def test_a_rule_added_by_hand_is_the_one_field_that_is_named() -> None:
    (change,) = plan_of(as_diff("security group balancer", GROUP, OPENED)).changes
    assert (change.kind, change.name, change.action) == ("security group", "balancer", "update")
    assert [(item.path, item.before, item.after) for item in change.fields] == [("ingress.tcp/22", "for a minute only", None)]


def test_statements_of_a_policy_are_told_apart_by_their_sid() -> None:
    before = {"Statement": [{"Sid": "Read", "Action": "s3:*"}, {"Sid": "Write", "Action": "s3:PutObject"}]}
    after = {"Statement": [{"Sid": "Write", "Action": "s3:PutObject"}, {"Sid": "Read", "Action": "s3:GetObject"}]}
    assert [item.path for item in changed_fields({"policy": before}, {"policy": after})] == ["policy.Statement.Read.Action"]


def test_what_exists_is_replaced_where_aws_cannot_change_it_and_updated_where_it_can() -> None:
    wanted, found = {"log_group": "new", "tags": {}}, {"log_group": "old", "tags": {}}
    assert as_diff("flow log x", wanted, found, replacing=["log_group"])["action"] == "replace"
    assert as_diff("flow log x", wanted, found | {"log_group": "new", "tags": {"a": "b"}}, ["log_group"])["action"] == "update"
    assert as_diff("flow log x", wanted, None, replacing=["log_group"])["action"] == "create"
    assert removal("flow log x", found)["action"] == "delete"


def test_who_notices_is_said_of_changes_and_not_of_what_is_made_new() -> None:
    sentences = {"idle_timeout": "Open connections are cut."}
    wanted, found = {"idle_timeout": 60, "tags": {}}, {"idle_timeout": 5, "tags": {}}
    changed = plan_of(as_diff("load balancer x", wanted, found, interrupts=sentences))
    assert "! Open connections are cut." in text_of(changed)
    assert "Open connections are cut." in markdown(changed, "Plan")
    assert "Open" not in text_of(plan_of(as_diff("load balancer x", wanted, None, interrupts=sentences)))
    retagged = as_diff("load balancer x", wanted, wanted | {"tags": {"a": "b"}}, interrupts=sentences)
    assert "Open" not in text_of(plan_of(retagged))


def test_an_id_that_is_not_known_yet_is_marked_so() -> None:
    plan = plan_of(as_diff("flow log x", {"vpc_id": "vpc-to-be-made", "port": 1}, {"vpc_id": "vpc-1", "port": 1}))
    assert "vpc_id: vpc-1 → (unknown until apply)" in text_of(plan)
    assert [item.unknown for item in plan.changes[0].fields] == [True]


def test_loops_and_lists_of_differences_are_all_in_the_plan() -> None:
    item = {"changed": True, "item": "a", "diff": [as_diff("bucket a", {"x": 1}, None), as_diff("bucket b", {"x": 1}, None)]}
    quiet = {"changed": False, "item": "c", "diff": as_diff("bucket c", {"x": 1}, {"x": 1})}
    assert [change.name for change in changes_of({"changed": True, "results": [item, quiet]}, "Make")] == ["a", "b"]


def test_a_task_that_does_not_say_what_it_changes_is_not_passed_over() -> None:
    result = {"changed": True, "results": [{"changed": True, "item": "x"}, {"changed": False, "item": "y"}]}
    (change,) = changes_of(result, "Make the certificate")
    assert (change.action, change.name) == ("unknown", "Make the certificate (x)")
    assert "Make the certificate (x)" in text_of(Plan("dev", (change,)))
    assert "Make the certificate (x)" in markdown(Plan("dev", (change,)), "Plan")


def test_differences_of_other_modules_are_taken_as_far_as_they_go() -> None:
    diff = {"before": {"state": "absent", "path": "/x"}, "after": {"state": "directory", "path": "/x"}}
    (change,) = changes_of({"changed": True, "diff": diff}, "Make the directory")
    assert [(item.path, item.after) for item in change.fields] == [("state", "directory")]
    (change,) = changes_of({"changed": True, "diff": {"before": "a\n", "after": "b\n"}}, "Write the file")
    assert change.action == "unknown"


def test_no_difference_is_an_empty_plan() -> None:
    assert changes_of({"changed": False, "diff": as_diff("bucket a", {"x": 1}, {"x": 1})}, "Make") == []
    assert text_of(Plan("dev")) == "dev: Nothing to change."


def test_what_no_task_names_is_unmanaged_unless_others_own_its_kind() -> None:
    claimed = named_in({"results": [{"managed": {"bucket": ["models"]}}]}, "managed")
    claimed |= named_in({"managed": {"Auto Scaling group": ["service"]}}, "managed")
    found = {
        "bucket": [Owned("models"), Owned("secrets", since="2026-11-02T08:00:00+00:00")],
        "Auto Scaling group": [Owned("service"), Owned("old")],
        "parameter": [Owned("/releases/live")],
        "target group": [Owned("hosts", belongs_to="Auto Scaling group service")],
        "role": [Owned("r")],
    }
    left = unmanaged(found, claimed)
    assert identities(left) == {"Auto Scaling group": ["old"], "bucket": ["secrets"], "role": ["r"]}
    strays = {"instance": (Stray("i-1", "notebook", "2026-11-02T08:00:00+00:00", "383.98"), Stray("i-2"))}
    said = "instance i-1 (notebook), since 2026-11-02, 383.98 USD a month"
    assert f"{said}: nothing manages it" in text_of(Plan("dev", unmanaged=strays))
    assert "instance i-2: nothing manages it" in text_of(Plan("dev", unmanaged=strays))
    assert f"`{said}`" in markdown(Plan("dev", unmanaged=strays), "Drift")


def test_a_plan_that_could_not_look_everywhere_says_so_everywhere() -> None:
    plan = Plan("dev", problems=("Find the network: AccessDenied",))
    assert not as_json(plan)["complete"]
    assert "AccessDenied" in text_of(plan)
    assert "AccessDenied" in markdown(plan, "Plan")


EVIL = (
    "![pixel](https://attacker.example/p.png) @octo-org/admins https://attacker.example #1 **safe** <img src=x> &lt;\n\n"
    "## Approved by security\n```\n| a | b |\n|---|---|\n~~~\n</code></summary></details> `x` <!-- plan of dev --> \u2028\u202e"
)


def markdown_of_others(text: str) -> set[str]:
    """What of a comment is neither code nor this project's own words, as a parser of GitHub's Markdown reads it."""
    parser = MarkdownIt("gfm-like", {"linkify": False})
    found = set()
    for token in parser.parse(text):
        for inner in [token, *(token.children or [])]:
            if inner.type in ("html_block", "html_inline"):
                found |= set(re.findall(r"<(?!/?(?:details|summary|code)>)[^>]*>", inner.content))
                found |= set(re.findall(r"</summary>(?=.*</summary>)", inner.content))
            elif inner.type == "text":
                found |= set(re.findall(r"pixel|octo-org|attacker|Approved|safe", inner.content))
            elif inner.type in ("image", "link_open", "strong_open"):
                found.add(inner.type)
    return found


def test_nothing_that_others_have_written_is_markdown() -> None:
    evil = Plan(
        "dev",
        (
            Change("security group", EVIL, "create", (Field(EVIL, None, EVIL * 2),)),
            Change("task", EVIL, "update", (Field(EVIL, EVIL, EVIL * 2),), (EVIL,)),
            Change("bucket", EVIL, "replace", (Field(EVIL, EVIL, EVIL * 2),), (EVIL,)),
            Change("bucket", EVIL, "delete", (Field("a", "b\n```\n" + EVIL, None),)),
            Change(EVIL, EVIL, "unknown"),
        ),
        problems=(EVIL,),
        unmanaged={EVIL: (Stray(EVIL),)},
    )
    text = markdown(evil, "Plan")
    assert markdown_of_others(f"{EVIL}\n\n{EVIL}")
    assert markdown_of_others(text) == set()
    opened = [line for line in text.splitlines() if line.startswith("<details>")]
    assert len(opened) == text.splitlines().count("</details>") == 6
    assert "\u202e" not in text
    assert "\\u202e" in text
    headings = [token.map[0] for token in MarkdownIt().parse(text) if token.type == "heading_open" and token.map]
    assert {text.splitlines()[line].partition(" ")[2][:1] for line in headings} <= set("P+~±-?*")


def test_a_cell_ends_where_it_should() -> None:
    value = "a | b ` <script>\n# heading"
    text = markdown(plan_of(as_diff("alarm x", {"description": value}, {"description": "y"})), "Plan")
    assert '| `description` | `y` | `"a \\| b \' <script>\\n# heading"` |' in text


def test_all_of_a_long_value_is_shown_and_of_two_what_differs() -> None:
    before = {"Statement": [{"Sid": str(number), "Action": "s3:GetObject"} for number in range(40)]}
    after = {"Statement": [*before["Statement"][:-1], {"Sid": "39", "Action": "s3:*"}]}
    changed = Change("role", "x", "update", (Field("policy", before, after),))
    text = markdown(Plan("dev", (changed,)), "Plan")
    assert '-      "Action": "s3:GetObject"' in text
    assert '+      "Action": "s3:*"' in text
    assert '"Sid": "12"' not in text
    made = markdown(Plan("dev", (Change("role", "x", "create", (Field("policy", None, after),)),)), "Plan")
    assert all(f'"Sid": "{number}"' in made for number in range(40))


@pytest.mark.parametrize("name", ["group", "allow 🐈 from the office — größer"])
def test_a_long_comment_shows_what_cannot_be_undone_first_and_cuts_nothing_in_half(name: str) -> None:
    changes = [
        *(
            Change("security group", f"{name} {n}", "create", tuple(Field(f"f{m}", None, "x" * 60) for m in range(20)))
            for n in range(100)
        ),
        Change("load balancer", "pettracker-dev", "update", (Field("idle_timeout", 60, 5),)),
        Change("bucket", "pettracker-dev-datasets", "delete", (Field("versioning", True, None),)),
    ]
    text = markdown(Plan("dev", tuple(changes)), "Plan")
    assert len(text) < COMMENT_LIMIT
    assert text.index("pettracker-dev-datasets") < text.index("idle_timeout") < text.index(f"{name} 0")
    assert text.count("<details>") == text.count("</details>")
    named = re.findall(rf"`security group {name} \d+`", text)
    assert f"{len(named)} are named only, and 0 are not named; the JSON report has all of it." in text
    assert len(named) + text.count("<details>") == 101
    short = markdown(Plan("dev", tuple(changes)), "Plan", limit=3_000, whole_at="it is in the summary")
    assert len(short) < 3_000
    assert "idle_timeout" in short
    assert re.search(r"[1-9]\d* are not named; it is in the summary", short)


@pytest.mark.parametrize(
    "plan",
    [
        Plan("dev"),
        plan_of(as_diff("security group balancer", GROUP, OPENED), as_diff("bucket b", {"x": None}, None)),
        plan_of(unmanaged={"bucket": (Stray("secrets"),)}, problems=("no",)),
    ],
)
def test_the_json_is_what_its_schema_says(plan: Plan) -> None:
    jsonschema.validate(json.loads(json.dumps(as_json(plan))), SCHEMA)
