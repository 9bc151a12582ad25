"""Typed doors to moto's in-memory backends of this cloud's one account and region.

Moto's objects are its own business and change shape between releases: pyproject.toml pins moto, and only this package
and its corrections reach into them.
"""

from typing import Any

from moto.acm.models import acm_backends
from moto.autoscaling.models import autoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends
from moto.iam.models import iam_backends
from moto.sns.models import sns_backends
from moto.sts.models import sts_backends

from localcloud import settings


def reset() -> None:
    """Let every service forget what it has."""
    BackendDict.reset()
    reset_model_data()


def _regional(backends: Any) -> Any:
    return backends[settings.ACCOUNT_ID][settings.REGION]


def ec2() -> Any:
    """EC2: instances, images, networks, launch templates."""

    return _regional(ec2_backends)


def autoscaling() -> Any:
    """EC2 Auto Scaling: groups, their members, policies."""

    return _regional(autoscaling_backends)


def cloudwatch() -> Any:
    """CloudWatch: metrics and alarms."""

    return _regional(cloudwatch_backends)


def elbv2() -> Any:
    """Elastic Load Balancing: balancers, listeners, rules, target groups."""

    return _regional(elbv2_backends)


def sns() -> Any:
    """Simple Notification Service: topics and their subscriptions."""

    return _regional(sns_backends)


def acm() -> Any:
    """Certificate Manager: imported certificates with their keys."""

    return _regional(acm_backends)


def iam() -> Any:
    """IAM is global: roles, instance profiles."""

    return iam_backends[settings.ACCOUNT_ID]["aws"]


def sts() -> Any:
    """Security Token Service: sessions of assumed roles."""

    return sts_backends[settings.ACCOUNT_ID]["aws"]
