"""Servers that the tests of one run share."""

from collections.abc import Iterator

import pytest

from tests.bundles import efficientnet_bundle, tiny_bundle
from tests.inference.servers import Running, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    """The tiny model on OpenVINO, with limits that a test can reach."""
    with serving(tiny_bundle(), "--max-body-bytes", "400000", "--max-pixels", "400000", "--body-seconds", "1") as running:
        yield running


@pytest.fixture(scope="session")
def torch_server() -> Iterator[Running]:
    """The tiny model on torch."""
    with serving(tiny_bundle(), "--program", "torch-fp32") as running:
        yield running


@pytest.fixture(scope="session")
def pet_server() -> Iterator[Running]:
    """The real EfficientNet-Lite0."""
    with serving(efficientnet_bundle()) as running:
        yield running
