"""Each correction of moto says why it is there, and stock moto still needs it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from localcloud import api as served
from localcloud import corrections
from localcloud.account import Account
from localcloud.corrections import patching
from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam
from localcloud.hosts.driver import NoHosts
from localcloud.settings import Settings
from tests.localcloud.conftest import Cloud
from tests.localcloud.probes import autoscaling, ec2, others  # noqa: F401 - they register their probes
from tests.localcloud.probing import PROBES, Api

REASONS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": reason
    for module in (served, *corrections.modules())
    for name, reason in vars(module).items()
    if isinstance(reason, Difference | Seam)
}
DIFFERENCES = {name: reason for name, reason in REASONS.items() if isinstance(reason, Difference)}
DOCUMENTS = (
    "https://docs.aws.amazon.com/",
    # What people met where no document says it.
    "https://github.com/eksctl-io/eksctl/",
    "https://github.com/hashicorp/terraform-provider-aws/",
)


@pytest.fixture
def stock() -> Iterator[Api]:
    """An account of moto as it is."""
    assert not patching.reasons()
    served.prepare_moto()
    with mock_aws():
        made = Api()("ec2").register_image(Name="base", RootDeviceName="/dev/xvda", Architecture="x86_64")
        yield Api(made["ImageId"])


@pytest.fixture
def corrected(cloud: Cloud) -> Api:
    """An account of the local cloud."""

    def lag() -> None:
        cloud.account.consistency.delay = 3600.0

    return Api(cloud.base_image, cloud.url, cloud.key.arguments, lag)


# Before the next test: both are in this process.
@pytest.mark.parametrize("name", DIFFERENCES)
def test_stock_moto_still_answers_otherwise_than_aws(stock: Api, name: str) -> None:
    probe = PROBES.get(DIFFERENCES[name])
    assert probe is not None, f"no probe shows that stock moto needs {name}"
    answer = probe.answer(stock)
    assert answer != probe.aws, f"moto answers as AWS does: {name} may go"
    assert answer == probe.moto


@pytest.mark.parametrize("name", DIFFERENCES)
def test_corrected_it_answers_as_aws_does(corrected: Api, name: str) -> None:
    assert PROBES[DIFFERENCES[name]].answer(corrected) == PROBES[DIFFERENCES[name]].aws


def test_every_reason_belongs_to_a_correction_and_is_one_of_a_module(tmp_path: Path) -> None:
    account = Account(Settings(root=tmp_path, api_port=0), NoHosts())
    found = patching.reasons()
    account.close()
    assert {name for name, reason in REASONS.items() if reason not in found} == set()
    assert found <= set(REASONS.values())


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_names_its_document_and_what_is_known_of_it_at_moto(name: str) -> None:
    difference = DIFFERENCES[name]
    assert difference.aws.startswith(DOCUMENTS)
    assert difference.upstream == NOT_REPORTED or re.fullmatch(r"getmoto/moto#\d+", difference.upstream)
