"""What the guard rails read: rules, waivers, variables, and the secrets among them."""

from pathlib import Path

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.registry import BY_NAME
from ansible_collections.pettracker.aws.plugins.module_utils.plan.changes import ANNOUNCED
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from delivery.errors import DeliveryError
from delivery.policy.files import described, read_rules, read_waivers, waivers_file
from delivery.policy.judgement import ANY_KIND
from delivery.policy.secret_scan import secrets_of

RULE = "{id: a, severity: error, title: t, why: w, fix: f, kinds: [alarm], violated_by: after.metric}"
WAIVER = "{rule: ssh, resource: security group x, reason: The old agent needs it, expires: 2027-01-31}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"- {RULE}\n- {RULE}", "several rules called a"),
        ("[]", "has no rule"),
        (f"- {RULE.replace('error', 'fatal')}", r"entry 1 \(a\): severity: Input should be 'error' or 'warning'"),
        (f"- {RULE.replace('violated_by', 'violates')}", r"entry 1 \(a\): violates: Extra inputs"),
        (f"- {RULE}\n- {RULE.replace('after.metric', 'after..x')}", r"entry 2 \(a\): violated_by: .* no JMESPath"),
        ("- word", r"entry 1 \(unnamed\)"),
        ("rules: {}", "the file: Input should be a valid list"),
        ("- {", "is no YAML"),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_file_of_rules_is_refused_with_the_entry_and_the_field(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    file = tmp_path / "rules.yml"
    if content:
        file.write_text(content)
    with pytest.raises(DeliveryError, match=reason):
        read_rules(file)


def waivers(root: Path, content: str) -> None:
    file = waivers_file("dev", root)
    file.parent.mkdir(parents=True)
    file.write_text(content)


def test_an_environment_without_waivers_has_none(tmp_path: Path) -> None:
    assert read_waivers("dev", tmp_path) == []
    waivers(tmp_path, "# none\n")
    assert read_waivers("dev", tmp_path) == []


def test_waivers_are_read(tmp_path: Path) -> None:
    waivers(tmp_path, f"- {WAIVER}")
    (waiver,) = read_waivers("dev", tmp_path)
    assert (waiver.rule, waiver.value, str(waiver.expires)) == ("ssh", "*", "2027-01-31")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"- {WAIVER.replace(', expires: 2027-01-31', '')}", r"entry 1 \(ssh\): expires: Field required"),
        (f"- {WAIVER.replace('2027-01-31', 'never')}", r"entry 1 \(ssh\): expires: Input should be a valid date"),
        (f"- {WAIVER.replace('resource', 'resources')}", r"entry 1 \(ssh\): resource: Field required"),
    ],
)
def test_a_wrong_waiver_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    waivers(tmp_path, content)
    with pytest.raises(DeliveryError, match=reason):
        read_waivers("dev", tmp_path)


def test_variables_come_with_what_overrides_them_and_with_vaulted_ones(tmp_path: Path) -> None:
    files = {
        "roles/training_instance/defaults/main.yml": "training_instance_type: c5.large\ntraining_instance_hours: 24\n",
        "inventories/common/group_vars/all/training.yml": "training_instance_type: m5.large\nproject: pettracker\n",
        "inventories/dev/group_vars/all/main.yml": "training_instance_type: g5.xlarge\n",
        "inventories/dev/group_vars/all/vault.yml": "token: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6231\n",
        "inventories/dev/group_vars/instances.yml": "training_instance_type: of a host\n",
        "inventories/staging/group_vars/all/main.yml": "training_instance_type: p5.48xlarge\n",
        "playbooks/vars/image.yml": "image_to_be_made: true\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {(item["kind"], item["name"]): item["after"] for item in described("dev", tmp_path)}
    assert found["environment", "dev"] == {}
    assert found["variables", "dev"] == {
        **{"training_instance_type": "g5.xlarge", "training_instance_hours": 24},
        **{"token": "(!vault)", "project": "pettracker", "image_to_be_made": True},
    }
    scanned = {name: fields["text"] for (kind, name), fields in found.items() if kind == "file"}
    assert scanned == {name: text for name, text in files.items() if not name.startswith(("roles", "inventories/sta"))}


def private_key() -> str:
    key = generate_private_key(65537, 4096)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("db_password: hunter2secretX", ["Secret Keyword in line 1"]),
        ("a: 1\nb: 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", ["GitHub Token in line 2"]),
        ("key: AKIAIOSFODNN7ABCDEFG", ["AWS Access Key in line 1"]),
        ("url: https://ann:s3cretpassw@db.internal/x", ["Basic Auth Credentials in line 1"]),
        ("#!/bin/sh\nexport DB_PASSWORD=hunter2secretX", ["Secret Keyword in line 2"]),
        ('{"write_files": [{"content": "api_key: hunter2secretX"}]}', ["Secret Keyword in line 1"]),
        ("db_password: hunter2secretX # pragma: allowlist secret", ["Secret Keyword in line 1"]),
    ],
)
def test_a_secret_is_found_by_line_and_its_value_is_not_told(text: str, found: list[str]) -> None:
    assert list(secrets_of(text)) == found


def test_a_private_key_is_found_in_a_long_file_and_indented() -> None:
    indented = "\n".join(f"  {line}" for line in private_key().splitlines())
    filling = "aws_region: us-east-1\n" * 1000
    assert list(secrets_of(f"{filling}signing: |\n{indented}\n")) == ["Private Key in line 1003"]


@pytest.mark.parametrize(
    "text",
    [
        "db_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6231",
        "db_password: \"{{ lookup('amazon.aws.ssm_parameter', '/db/password') }}\"",
        "#!/bin/sh\nDB_PASSWORD=${PASSWORD}\nTOKEN=$1",
        "session_agent_sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        "load_balancer_certificate_key_file: /tls/server-key.pem",
        "model_public_key: |\n  -----BEGIN PUBLIC KEY-----\n  MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n  -----END PUBLIC KEY-----",
    ],
)
def test_what_only_says_where_a_secret_is_from_is_none(text: str) -> None:
    assert list(secrets_of(text)) == []


def test_a_rule_is_about_kinds_that_a_plan_or_the_files_of_an_environment_have() -> None:
    named = {
        (rule.id, kind) for rule in read_rules() for kind in (*rule.kinds, *([rule.requires.kind] if rule.requires else []))
    }
    shown = {resource["kind"] for resource in described("staging", Path(__file__).parents[2])}
    assert shown == {"environment", "variables", "file"}
    assert [(rule, kind) for rule, kind in sorted(named) if kind not in {*BY_NAME, *ANNOUNCED, *shown, ANY_KIND}] == []
