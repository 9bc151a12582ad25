"""What AWS asks (prices.yml), and what is assumed about use (usage.yml and an inventory's `cost_usage`)."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from delivery.documents import Document, faults
from delivery.errors import DeliveryError
from delivery.inventories import variable_files
from delivery.variables import read

PRICES = Path(__file__).with_name("prices.yml")
USAGE = Path(__file__).with_name("usage.yml")
VARIABLE = "cost_usage"

# Nothing that is in the file is free.
Dollars = Annotated[Decimal, Field(gt=0)]
Amount = Annotated[Decimal, Field(ge=0)]


class Volumes(Document):
    """EBS. A gp3 volume has 3,000 operations and 125 MiB a second for its size's price."""

    gb_month: dict[str, Dollars]
    gp3_iops_month: Dollars
    gp3_throughput_month: Dollars
    snapshot_gb_month: Dollars


class Balancer(Document):
    """An Application Load Balancer."""

    hour: Dollars
    capacity_unit_hour: Dollars


class Network(Document):
    """NAT gateways, public IPv4 addresses, and what leaves AWS."""

    nat_hour: Dollars
    nat_gb: Dollars
    address_hour: Dollars
    out_gb: Dollars


class CloudWatch(Document):
    """Metrics, alarms (a fast one has a period below a minute) and logs (`log_gb`: taken in; `log_gb_month`: kept)."""

    metric_month: Dollars
    alarm_month: Dollars
    fast_alarm_month: Dollars
    log_gb: Dollars
    log_gb_month: Dollars


class S3(Document):
    """S3 Standard."""

    gb_month: Dollars


class Region(Document):
    """Prices of one region.

    Attributes:
        as_of: last day on which they are known to have held.
        instances: an hour On-Demand, by instance type.
    """

    as_of: date
    instances: dict[str, Dollars]
    volumes: Volumes
    balancer: Balancer
    network: Network
    cloudwatch: CloudWatch
    s3: S3


class Sources(Document):
    """Where AWS publishes the prices of each service."""

    instances: str
    volumes: str
    balancer: str
    network: str
    cloudwatch: str
    s3: str


class Prices(Document):
    """All prices that are known."""

    sources: Sources
    regions: dict[str, Region]


class Usage(Document):
    """What is assumed for a month; usage.yml has the meaning and the default of each."""

    hours: Amount
    data_in_gb: Amount
    data_out_gb: Amount
    nat_gb: Amount
    log_gb: Amount
    bucket_gb: Amount
    image_gb: Amount
    metrics_per_host: Amount
    metrics_per_fleet: Amount
    spot_discount: Annotated[Decimal, Field(ge=0, lt=1)]


Model = TypeVar("Model", bound=Document)


def as_json(prices: Prices, usage: Usage) -> dict[str, Any]:
    """Return what a bill is made of, as Ansible's plugins read it."""
    regions = {name: region.model_dump(mode="json", exclude={"as_of"}) for name, region in prices.regions.items()}
    return {"regions": regions, "usage": usage.model_dump(mode="json")}


def read_prices(path: Path = PRICES) -> Prices:
    """Raises DeliveryError when the file is not what it should be, with each line's place and fault."""
    return _checked(Prices, read(path), str(path))


def read_usage(environment: str, root: Path = Path()) -> Usage:
    """Return what is assumed about an environment: usage.yml, and over it the inventory's `cost_usage`.

    The variable is one of those of the whole environment (group_vars/all/), and plain numbers: it is not asked of Ansible.
    Raises DeliveryError where a file cannot be read, or a name or a value is wrong.
    """
    assumed, where = read(USAGE), str(USAGE)
    for path in variable_files(root, environment):
        own = (read(path) or {}).get(VARIABLE)
        if own is not None:
            if not isinstance(own, Mapping):
                raise DeliveryError(f"{path}: {VARIABLE} has to be names with numbers, as delivery/cost/usage.yml has them")
            assumed, where = assumed | dict(own), f"{path}: {VARIABLE}"
    return _checked(Usage, assumed, where)


def _checked(model: type[Model], data: Any, where: str) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise DeliveryError(f"{where}: {faults(error)}") from None
