"""The policies of roles/identity are enough for what their hosts do with the registry, and for nothing else.

The emulated IAM knows actions and resources, no conditions (they are left out here), and no deletion of single objects.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import jinja2
import pytest
import yaml
from moto.core.authorization import enable_iam_authentication

from bundle import RegistryError
from bundle.registry import Registry, Store
from tests.bundles import REPOSITORY
from tests.training.registry.runs import BUCKET, RUN_ID, Releaser, trained
from training.publishing.experiments import Experiments

IDENTITY = {
    "identity_models_bucket": BUCKET,
    "identity_datasets_bucket": "datasets",
    "identity_releases_bucket": "releases",
    "__identity_keys": "*",
    "__identity_keys_condition": {},
    "identity_partition": "aws",
    "identity_region": "us-east-1",
    "identity_account_id": "123456789012",
    "identity_autoscaling_groups": [],
    "identity_log_group": "/pettracker/ml-server",
    "identity_metric_namespace": "PetTracker/ML",
    "identity_training_log_group": "/pettracker/training",
    "identity_training_metric_namespace": "ML/Training",
}


def policy(name: str) -> dict[str, Any]:
    template = (REPOSITORY / "roles/identity/templates" / f"{name}_policy.yml.j2").read_text()
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - YAML, not HTML
    environment.filters["to_json"] = json.dumps
    document: dict[str, Any] = yaml.safe_load(environment.from_string(template).render(IDENTITY))
    for statement in document["Statement"]:
        statement.pop("Condition", None)
    return document


@pytest.fixture
def allowed(s3: Any) -> Iterator[Callable[[str], Any]]:
    """Run with the credentials of somebody who has one of the policies, and nothing else."""

    @contextmanager
    def acting(name: str) -> Iterator[Store]:
        iam = boto3.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(policy(name)))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        client = boto3.client("s3", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
        with enable_iam_authentication():
            yield Store(BUCKET, client)

    yield acting


def test_a_training_host_tells_of_its_job_and_publishes_neither_runs_nor_versions(
    allowed: Callable[[str], Any], releaser: Releaser, tmp_path: Path
) -> None:
    releaser.publish("promoted")
    releaser.promote("promoted")
    made = trained(tmp_path / "made", "made", "1.1.0")
    with allowed("training") as store:
        for name in ("state.json", "history.jsonl", "log.txt", "run/run.json", "checkpoints/1.safetensors"):
            assert store.write_once(f"experiments/iris/job-1/{name}", b"{}")
            assert store.read(f"experiments/iris/job-1/{name}") == b"{}"
        # What others have published, and would sign, is out of its reach.
        for name in ("index.json", "bundle/manifest.json", "bundle/torch/model.pt2", "bundle/model.sig"):
            with pytest.raises(RegistryError, match=r"access denied \(PutObject\)"):
                store.write_once(f"experiments/iris/promoted/{name}", b"{}")
        with pytest.raises(RegistryError, match="access denied"):
            Experiments(store).publish(made.run, made.bundle)
        with pytest.raises(RegistryError, match="access denied"):
            Registry(store).publish(made.bundle)
        with pytest.raises(RegistryError, match=r"access denied \(GetObject\)"):
            store.read("production/iris/1.0.0/manifest.json")
    assert Registry(BUCKET).versions("iris") == ["1.0.0"]


def test_a_serving_host_fetches_versions_and_writes_nothing(
    allowed: Callable[[str], Any], releaser: Releaser, tmp_path: Path
) -> None:
    digest = releaser.publish().digest
    releaser.promote()
    with allowed("service") as store:
        assert Registry(store).fetch("iris", "1.0.0", digest, tmp_path / "fetched", releaser.public_key).digest == digest
        with pytest.raises(RegistryError, match=r"access denied \(PutObject\)"):
            store.write_once("production/iris/1.0.1/manifest.json", b"{}")
        with pytest.raises(RegistryError, match=r"access denied \(GetObject\)"):
            store.read(f"experiments/iris/{RUN_ID}/index.json")
