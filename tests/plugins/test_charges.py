"""Every kind says what one of it costs, or why it costs nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Kind
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.registry import KINDS

HOURS = Decimal(730)
HERE = {("subnet", "a"): {"zone": "us-east-1a"}}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_has_a_price_or_a_reason_for_having_none(kind: Kind) -> None:
    assert (type(kind).charges is Kind.charges) == bool(kind.free)
