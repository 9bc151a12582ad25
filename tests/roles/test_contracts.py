"""What every role, playbook and inventory promises, read from the files themselves."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import botocore.session
import jinja2
import pytest
import yaml
from ansible_collections.pettracker.aws.plugins.filter.release_id import FilterModule
from ansible_collections.pettracker.aws.plugins.module_utils.release_id import release_id

from tests.plugins.loading import PLUGINS
from tests.roles.inventory_values import ENVIRONMENTS, Values, variables_of

ROOT = Path(__file__).parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
YAML_FILES = sorted(
    path for folder in ("roles", "playbooks", "inventories", "molecule") for path in (ROOT / folder).rglob("*.yml")
)
# Modules that start instances or describe how, and therefore decide about their metadata service.
LAUNCHERS = ("pettracker.aws.launch_template", "amazon.aws.ec2_instance")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.exists() else None


def options(role: Path) -> dict[str, dict[str, Any]]:
    """The documented variables of all entry points of a role."""
    entry_points = read(role / "meta/argument_specs.yml")["argument_specs"].values()
    return {name: option for entry in entry_points for name, option in (entry.get("options") or {}).items()}


def mappings(content: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a YAML document, at any depth."""
    if isinstance(content, dict):
        yield content
        content = list(content.values())
    if isinstance(content, list):
        for item in content:
            yield from mappings(item)


def each(role: Path) -> str:
    return role.name


@pytest.mark.parametrize("role", ROLES, ids=each)
def test_every_variable_says_its_type_and_meaning(role: Path) -> None:
    assert options(role), f"{role.name} documents no variable"
    for name, option in options(role).items():
        assert name.startswith(f"{role.name}_"), name
        assert {"type", "description"} <= set(option), name
        assert option.get("required") or "default" in option, f"{name} is neither required nor has a default"


@pytest.mark.parametrize("role", ROLES, ids=each)
def test_defaults_agree_with_the_specification(role: Path) -> None:
    documented = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert (read(role / "defaults/main.yml") or {}) == documented


@pytest.mark.parametrize("role", ROLES, ids=each)
def test_other_variables_of_a_role_are_marked_as_its_own(role: Path) -> None:
    for name in read(role / "vars/main.yml") or {}:
        assert name.startswith(f"__{role.name}_"), name


def test_production_is_neither_burstable_nor_a_single_host_nor_behind_one_nat_gateway() -> None:
    production = Values("production")
    assert not re.match(r"t\d", production["service_instance_type"])
    assert production["autoscaling_group_min_size"] >= 2
    assert production["vpc_nat_per_zone"] is True


def test_nothing_opens_port_22() -> None:
    keys = ("ports", "from_port", "to_port", "port")
    for path in YAML_FILES:
        for mapping in mappings(read(path)):
            for key in keys:
                value = mapping.get(key)
                values = value if isinstance(value, list) else [value]
                assert not {str(item) for item in values} & {"22", "all", "-1", "0-65535"}, f"{path}: {mapping}"
            assert str(mapping.get("proto", "tcp")) not in {"all", "-1"}, f"{path}: {mapping}"


def test_whatever_launches_instances_requires_imdsv2() -> None:
    launching = [
        (path, mapping[module])
        for path in YAML_FILES
        for mapping in mappings(read(path))
        for module in LAUNCHERS
        if module in mapping and "image_id" in mapping[module]
    ]
    assert launching
    for path, arguments in launching:
        metadata = arguments.get("metadata_options", {})
        if isinstance(metadata, str):  # "{{ a variable of the role }}"
            metadata = read(path.parents[1] / "vars/main.yml")[metadata.strip("{} ")]
        assert metadata.get("http_tokens") == "required", path
        assert metadata.get("http_put_response_hop_limit", 1) == 1, path


def test_no_policy_template_allows_every_action_or_more_than_it_must() -> None:
    entering = read(ROOT / "roles/identity/vars/main.yml")["__identity_session_manager_actions"]
    # IAM takes no narrower resource than * for these.
    only_star = {"cloudwatch:PutMetricData", "ec2:DescribeTags", "ssm:UpdateInstanceInformation"} | {
        f"ssmmessages:{verb}{channel}Channel" for verb in ("Create", "Open") for channel in ("Control", "Data")
    }
    for path in (ROOT / "roles").glob("*/templates/*policy*.j2"):
        if path.name.startswith("ci_"):
            continue  # of the workflows, which also list: tests/workflows/test_ci_roles.py
        text = re.sub(r"{%.*?%}|{#.*?#}", "", path.read_text(), flags=re.DOTALL)
        text = text.replace("{{ __identity_session_manager_actions | to_json }}", json.dumps(entering))
        for statement in yaml.safe_load(re.sub(r"{{.*?}}", "x", text))["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            if statement["Effect"] == "Deny":
                continue
            assert not any(action.endswith("*") for action in actions), path
            if statement.get("Resource") == "*":
                assert set(actions) <= only_star, path


def test_a_rollout_names_a_release_as_its_record_does() -> None:
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - no markup
    environment.filters |= {f"pettracker.aws.{name}": made for name, made in FilterModule().filters().items()}
    variables = {
        "model_name": "pets",
        "model_version": "1.2.0",
        "model_digest": "sha256:0f",
        "autoscaling_group_image_id": "ami-1",
    }
    named = environment.from_string(variables_of("production")["rollout_release"]["id"]).render(variables)
    assert named == release_id("pets", "1.2.0", "sha256:0f", "ami-1")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_current_stays_and_what_nobody_needs_goes(environment: str) -> None:
    values = Values(environment)
    bucket = values["bucket_prefix"]
    policies = {item["name"]: {} for item in values["buckets_list"]}
    rules = {}
    for wanted in Values(environment, __buckets_policies=policies)["__buckets_wanted"]:
        name = wanted["name"].removeprefix(f"{bucket}-")
        rules[name] = {rule["id"]: rule for rule in wanted["lifecycle_rules"]}
        everything = rules[name]["everything"]
        assert everything["abort_upload_days"] == 7
        assert everything["expire_days"] == {"logs": values["log_groups_retention_days"], "transfer": 1}.get(name, 0)
    kept = {name: of["everything"]["noncurrent_days"] for name, of in rules.items()}
    assert kept == {"datasets": 90, "models": 30, "releases": 90, "logs": 1, "transfer": 0}
    # Written every few seconds for as long as a rollout lasts.
    lock = values["__rollout_lock_object"]["key"]
    assert [rule["noncurrent_days"] for id_, rule in rules["releases"].items() if lock.startswith(id_)] == [1]


def test_a_balancer_hands_on_nothing_that_could_be_read_in_two_ways() -> None:
    attributes = Values("production")["__load_balancer_attributes"]
    assert attributes["routing.http.desync_mitigation_mode"] == "strictest"
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"


def test_arns_begin_with_the_partition_of_the_region() -> None:
    expression = jinja2.Template(variables_of("production")["aws_partition"])
    known = botocore.session.get_session()
    for partition in ("aws", "aws-cn", "aws-us-gov"):
        regions = known.get_available_regions("ec2", partition)
        assert {expression.render(aws_region=region) for region in regions} == {partition}
    files = [path for path in (ROOT / "roles").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    files += [*(ROOT / "playbooks").rglob("*.yml"), *PLUGINS.rglob("*.py")]
    assert len(files) > 300
    for path in files:
        code = re.sub(r'^EXAMPLES = r""".*?^"""', "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
        assert "arn:aws:" not in code, path


def test_hosts_trust_the_keys_of_models_or_the_one_key_of_an_older_inventory() -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n"
    listed = [{"public_key": "a", "signs": ["records"]}, {"public_key": "b", "signs": ["models"], "not_after": "2027-01-01"}]
    given: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
        "none": ({}, []),
        "one": ({"model_public_key": pem}, [{"public_key": pem}]),
        "a list, which is more than one": ({"model_public_key": pem, "signing_keys": listed}, listed[1:]),
    }
    for name, (variables, trusted) in given.items():
        values = Values("staging", **variables)
        for variable in ("inference_service_public_key", "published_model_public_key"):
            assert (json.loads(values[variable]) if values[variable] else []) == trusted, (name, variable)
        (form,) = [line for line in asserted("inference_service") if "BEGIN PUBLIC KEY" in line]
        assert values.holds(form), name
    assert not Values("staging", inference_service_public_key="nonsense").holds(form)


def asserted(role: str) -> list[str]:
    """What the preflight of a role asserts."""
    tasks = read(ROOT / f"roles/{role}/tasks/preflight.yml")
    return [str(line) for task in tasks for line in task.get("ansible.builtin.assert", {}).get("that", [])]


def bucket_policies(buckets: list[dict[str, Any]]) -> dict[str, Any]:
    """The policies of buckets by their names."""
    template = jinja2.Template((ROOT / "roles/buckets/templates/policies.yml.j2").read_text(), trim_blocks=True)
    document = template.render(buckets_list=buckets, buckets_account_id="123456789012", buckets_partition="aws")
    found: dict[str, Any] = yaml.safe_load(document)
    return found


def test_what_is_written_once_is_refused_without_the_condition_that_keeps_it() -> None:
    """In the form of AWS's "Enforce conditional writes on Amazon S3 buckets": parts of an upload cannot carry the condition."""
    refused = {}
    for name, document in bucket_policies(Values("staging")["buckets_list"]).items():
        for statement in document["Statement"]:
            if statement["Sid"] == "WriteOnce":
                assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:PutObject")
                assert statement["Condition"] == {
                    "Null": {"s3:if-none-match": "true"},
                    "Bool": {"s3:ObjectCreationOperation": "true"},
                }
                refused[name.rpartition("-")[2]] = statement["Resource"]
    keys = {
        "models": [
            "production/iris/1.0.0/manifest.json",
            "production/iris/1.0.0.promotion.json",
            "experiments/iris/run/index.json",
        ],
        "releases": ["wheelhouse/inputs/0", "wheelhouse/0.tar.gz", "sbom/0.cdx.json"],
    }
    for kind, written_once in keys.items():
        for key in written_once:
            assert any(fnmatchcase(f"arn:aws:s3:::pettracker-staging-123456789012-{kind}/{key}", arn) for arn in refused[kind])
    changing = ["staging/rollout-lock.json", "staging/rollouts/1.json", "images/0/packages.json"]
    for key in changing:
        assert not any(
            fnmatchcase(f"arn:aws:s3:::pettracker-staging-123456789012-releases/{key}", arn) for arn in refused["releases"]
        )
    assert set(refused) == set(keys)


def test_balancers_may_write_logs_on_no_condition_that_aws_does_not_name() -> None:
    # "Enable access logs for your Application Load Balancer", step 2: the policy has none. Where a balancer does not send
    # the key that a condition asks for, nothing is written. The account is in the path already.
    logs, *_ = bucket_policies([{"name": "logs", "balancer_logs": True}])["logs"]["Statement"]
    assert logs == {
        "Sid": "BalancerLogs",
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::logs/AWSLogs/123456789012/*",
    }
