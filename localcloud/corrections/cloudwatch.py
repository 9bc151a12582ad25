"""CloudWatch: percentiles."""

from __future__ import annotations

import math
import re
from typing import Any

from moto.cloudwatch.models import Statistics

from localcloud.corrections.patching import correction


def apply() -> None:
    """Let GetMetricData answer p50, p99.9 and their like."""

    @correction(Statistics, "get_statistics_for_type")
    def with_percentiles(original: Any, self: Any, stat: str) -> Any:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html; moto gives None.
        # Figures that came as a StatisticSet have no percentiles.
        found = re.fullmatch(r"p(\d{1,2}(?:\.\d+)?|100)", stat)
        if found is None:
            return original(self, stat)
        values = sorted(self.metric_single_values_list)
        return values[max(0, math.ceil(float(found[1]) / 100 * len(values)) - 1)] if values else None
