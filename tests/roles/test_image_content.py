"""The digest of an image's content: every option of the roles that fill the image changes it, and nothing else does."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from moto.ec2.models import ec2_backends
from moto.server import ThreadedMotoServer

from tests.roles.controllers import environment_of, inventory_of

ROOT = Path(__file__).parents[2]
RELEASE = {
    "model_version": "1.0.0",
    "model_digest": "sha256:" + "a" * 64,
    "session_agent_version": "3.3.3270.0",
    "session_agent_sha256": "c" * 64,
}
# What the roles before this one have found.
FOUND = {
    "account_id": "123456789012",
    "wheelhouse_result": {"bucket": "releases", "sha256": "b" * 64},
    "published_model_result": {"bucket": "models", "backend": "openvino"},
}
WITHOUT_TRACE = yaml.safe_load((ROOT / "roles/machine_image/vars/main.yml").read_text())[
    "__machine_image_options_without_trace"
]


def documented(role: str) -> dict[str, dict[str, Any]]:
    """Return the options of a role's first entry point."""
    specification = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())
    options: dict[str, dict[str, Any]] = specification["argument_specs"]["main"]["options"]
    return options


def other_than(value: Any) -> Any:
    """Return another value of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + "x"
        case [*_]:
            return value[:-1] if value else ["x"]
        case {"name": name, **rest}:
            return {**rest, "name": other_than(name)}
    return {**value, "x": "y"}


class Controller:
    """Production's inventory and the plays' variables, and plays of one's own that see them as playbooks/image.yml does."""

    def __init__(self, endpoint: str, directory: Path) -> None:
        self.ec2 = boto3.client(
            "ec2", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        self._environment = environment_of(endpoint)
        self._directory = directory

    def image(self, name: str, owner: str, **tags: str) -> None:
        """Put an image into the account."""
        identity = self.ec2.register_image(Name=name)["ImageId"]
        if tags:
            self.ec2.create_tags(Resources=[identity], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
        (backend,) = (regions["us-east-1"] for regions in ec2_backends.values() if identity in regions["us-east-1"].amis)
        backend.amis[identity].owner_id = owner

    def play(self, tasks: list[dict[str, Any]], *arguments: str) -> dict[str, Any]:
        """Run tasks after those that find the base image; return what they left in the fact `seen`."""
        play = {
            **{"hosts": "localhost", "gather_facts": False, "vars_files": [str(ROOT / "playbooks/vars/image.yml")]},
            "tasks": [
                {"ansible.builtin.set_fact": FOUND | {"seen": {}}},
                {"ansible.builtin.include_role": {"name": "machine_image"}},
                *tasks,
                {
                    "ansible.builtin.copy": {"content": "{{ seen | to_json }}", "dest": str(self._directory / "seen.json")},
                    "check_mode": False,
                },
            ],
        }
        (self._directory / "play.yml").write_text(json.dumps([play]))
        ran = subprocess.run(
            [
                *[Path(sys.executable).with_name("ansible-playbook"), *inventory_of("production")],
                *["-e", json.dumps(RELEASE), *arguments, "play.yml"],
            ],
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        seen: dict[str, Any] = json.loads((self._directory / "seen.json").read_text())
        return seen


def keep(name: str, value: str) -> dict[str, Any]:
    """Return the task that keeps a value under a name."""
    return {"ansible.builtin.set_fact": {"seen": "{{ seen | combine({" + repr(name) + ": " + value + "}) }}"}}


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        made = Controller(f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("controller"))
        made.image("debian-12-amd64-20261101-1", "136693071363")
        yield made
    finally:
        ec2_backends.reset()
        server.stop()


@pytest.fixture(scope="module")
def planned(controller: Controller) -> dict[str, Any]:
    """What a plan finds: the `digest`, and the `options` that it is made of, those without a trace among them, by role.

    `base` and `files` are what else it is made of.
    """
    everything = {"pettracker.aws.role_options": {"roles": "{{ __machine_image_roles }}"}, "register": "every"}
    return controller.play(
        [
            # The role's own variables are seen in it only, so its list of roles is taken from what it has read.
            {**everything, "pettracker.aws.role_options": {"roles": "{{ __machine_image_read.options | list }}"}},
            keep("options", "every.options"),
            keep("digest", "machine_image_result.content_digest"),
            keep("base", "machine_image_result.base_image_id"),
            keep("files", "__machine_image_found.files"),
        ],
        "--check",
    )


@pytest.fixture(scope="module")
def seen(controller: Controller, planned: dict[str, Any]) -> dict[str, Any]:
    """What the role reads with each option changed, by its name, in one run that is no plan; `""` is the digest with none."""
    changed = {name: value for options in planned["options"].values() for name, value in options.items()}
    read = {"roles": list(planned["options"]), "without": list(WITHOUT_TRACE)}
    tasks = [
        {"pettracker.aws.role_options": read, "vars": {name: other_than(value)}, "register": f"read_{number}"}
        for number, (name, value) in enumerate(changed.items())
    ]
    found = {name: f"{{{{ read_{number}.options }}}}" for number, name in enumerate(changed)}
    facts = {"unrelated": "fact", "ansible_facts": {"hostname": "elsewhere"}}
    content = {"name": "machine_image", "tasks_from": "content", "rolespec_validate": False}
    return controller.play(
        [
            {"ansible.builtin.include_role": content, "vars": facts},
            *tasks,
            {"ansible.builtin.set_fact": {"seen": found | {"": "{{ __machine_image_digest }}"}}},
        ],
        *("-e", "another=variable"),
    )


def digest_of(options: dict[str, Any], planned: dict[str, Any]) -> str:
    """Return what the role's own expression makes of options."""
    tasks = DataLoader().load_from_file(str(ROOT / "roles/machine_image/tasks/content.yml"), trusted_as_template=True)
    (expression,) = (fact["__machine_image_digest"] for task in tasks if (fact := task.get("ansible.builtin.set_fact")))
    variables = {
        "role_path": str(ROOT / "roles/machine_image"),
        "__machine_image_base": {"image_id": planned["base"]},
        "__machine_image_found": {"files": planned["files"]},
        "__machine_image_read": {"options": options},
    }
    return str(Templar(loader=DataLoader(), variables=variables).template(expression))


def test_every_option_of_the_roles_of_a_host_is_looked_at(planned: dict[str, Any]) -> None:
    playbook = yaml.safe_load((ROOT / "playbooks/vars/image.yml").read_text())
    roles = [*playbook["machine_image_roles"], "machine_image"]
    assert {role: set(options) for role, options in planned["options"].items()} == {
        role: set(documented(role)) for role in roles
    }


def test_what_the_playbooks_give_the_roles_is_what_the_digest_is_made_of(planned: dict[str, Any]) -> None:
    assert planned["options"]["inference_service"]["inference_service_port"] == 8080  # from other variables
    assert planned["options"]["inference_service"]["inference_service_wheelhouse_sha256"] == "b" * 64
    assert planned["options"]["host_baseline"]["host_baseline_umask"] == "027"  # the role's default


def test_each_option_changes_the_digest_but_those_that_leave_no_trace(planned: dict[str, Any], seen: dict[str, Any]) -> None:
    digests = {name: digest_of(options, planned) for name, options in seen.items() if name}
    unchanged = {name for name, digest in digests.items() if digest == planned["digest"]}
    assert unchanged == set(WITHOUT_TRACE)
    assert unchanged < set(digests)


def test_the_digest_is_the_same_in_a_plan_and_in_a_run_whatever_else_is_known(
    planned: dict[str, Any], seen: dict[str, Any]
) -> None:
    assert seen[""] == planned["digest"]


@pytest.mark.parametrize("option", WITHOUT_TRACE)
def test_what_leaves_no_trace_is_a_place_of_what_a_digest_names_or_of_helping_hosts(option: str) -> None:
    (role,) = (path.parents[1].name for path in (ROOT / "roles").glob("*/meta/*_specs.yml") if option in path.read_text())
    if role != "machine_image":
        thing = re.fullmatch(rf"({role}_\w+)_(bucket|source|system|version)", option)
        assert thing
        assert {f"{thing[1]}_sha256", f"{thing[1]}_digest"} & set(documented(role)) - set(WITHOUT_TRACE)
    for template in (ROOT / "roles").glob("*/templates/*"):
        assert option not in template.read_text(), template


def test_a_changed_option_makes_a_plan_say_that_an_image_is_made_and_an_unpinned_agent_is_refused(
    controller: Controller, planned: dict[str, Any]
) -> None:
    tags = {"ContentDigest": planned["digest"], "Environment": "production", "Verified": "true"}
    controller.image("pettracker-production-1", "123456789012", **tags)
    main = {"ansible.builtin.include_role": {"name": "machine_image"}}
    seen = controller.play(
        [
            keep("unchanged", "machine_image_result.needed"),
            {**main, "vars": {"inference_service_environment": {"PETTRACKER_QUEUE_SIZE": "128"}}},
            keep("changed", "machine_image_result.needed"),
            *(
                {
                    "block": [main],
                    "rescue": [keep(name, "'set session_agent_version' in ansible_failed_result.msg")],
                    "vars": {f"machine_image_session_agent_{name}": unpinned},
                }
                for name, unpinned in {"sha256": "", "url": "https://s3.example.org/amazon-ssm//agent.deb"}.items()
            ),
        ],
        "--check",
    )
    assert seen == {"unchanged": False, "changed": True, "sha256": True, "url": True}
