"""Where CloudWatch's data lie: by series and time, so that an alarm reads only its own, and no longer than it is of use."""

import bisect
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudwatch.models import MetricDatumBase
from moto.core.utils import utcnow

# "Data points with a period of less than 60 seconds are available for 3 hours": CloudWatch user guide, "Metrics
# retention". Here that goes for all data, because a rehearsal has no use for older ones.
RETENTION = timedelta(hours=3)

# Namespace, name and dimensions. A metric is one with exactly these dimensions: CloudWatch user guide, "Dimensions".
Series = tuple[str, str, Iterable[tuple[str, str]]]


class Distribution(MetricDatumBase):
    """One datum of PutMetricData with `Values` and `Counts`; moto keeps an object for every single value."""

    def __init__(
        self,
        namespace: str,
        name: str,
        *,
        values: list[float],
        counts: list[int],
        dimensions: list[dict[str, str]],
        timestamp: datetime | None,
        unit: str | None = None,
    ) -> None:
        super().__init__(namespace, name, dimensions, timestamp, unit)
        self.values = values
        self.counts = counts

    def expanded(self) -> Iterator[float]:
        """Yield each value as often as it came."""
        for value, count in zip(self.values, self.counts, strict=True):
            yield from itertools.repeat(value, count)


def _time(datum: Any) -> datetime:
    moment: datetime = datum.timestamp
    return moment


class MetricStore:
    """Stands in for moto's list of all data. Times are naive UTC, as moto's are; any thread may use it.

    What is put in can be read `delay` later, as on AWS, where that is not documented and takes a minute or more.
    """

    def __init__(self, delay: timedelta = timedelta(0), clock: Callable[[], datetime] = utcnow) -> None:
        self._delay = delay
        self._clock = clock
        self._series: dict[tuple[str, str, frozenset[tuple[str, str]]], list[Any]] = {}
        self._lock = threading.Lock()

    def append(self, datum: Any) -> None:
        """Take in one datum of moto's; its dimensions are put in the order of their names."""
        if datum.timestamp.tzinfo is not None:
            datum.timestamp = datum.timestamp.astimezone(UTC).replace(tzinfo=None)
        datum.dimensions.sort(key=lambda one: str(one.name))
        datum.arrives = self._clock() + self._delay
        key = (datum.namespace, datum.name, frozenset((one.name, one.value) for one in datum.dimensions))
        with self._lock:
            bisect.insort(self._series.setdefault(key, []), datum, key=_time)

    def between(self, series: Series, begin: datetime, end: datetime, now: datetime | None = None) -> list[Any]:
        """Return a series' data from `begin` (included) to `end` (not included), oldest first, that have arrived by `now`."""
        namespace, name, dimensions = series
        with self._lock:
            data = self._series.get((namespace, name, frozenset(dimensions)), [])
            found = data[bisect.bisect_left(data, begin, key=_time) : bisect.bisect_left(data, end, key=_time)]
        if not self._delay:
            return found
        moment = now or self._clock()
        return [one for one in found if one.arrives <= moment]

    def metrics(self) -> list[Any]:
        """Return the newest datum of each series."""
        with self._lock:
            return [series[-1] for series in self._series.values()]

    def forget_before(self, moment: datetime) -> None:
        """Drop older data, and series that have no others."""
        with self._lock:
            for key, series in list(self._series.items()):
                del series[: bisect.bisect_left(series, moment, key=_time)]
                if not series:
                    del self._series[key]

    def __iter__(self) -> Iterator[Any]:
        with self._lock:
            return iter([datum for series in self._series.values() for datum in series])

    def __len__(self) -> int:
        with self._lock:
            return sum(len(series) for series in self._series.values())

    def __add__(self, others: list[Any]) -> list[Any]:
        """Return all data and `others`, as moto puts its lists together."""
        return [*self, *others]
