"""Who owns which field: what Git does not decide is declared here, and is neither compared, nor reported, nor put back.

Data only. Modules leave these fields out when they describe what is; `make drift` leaves the resources out when it looks for
what nobody manages. A change here is a change of what a review sees.
"""

from __future__ import annotations

# Tags that begin so are AWS's own: CloudFormation, Auto Scaling and Backup write them.
# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html ("aws: prefix is reserved")
FOREIGN_TAG_PREFIXES = ("aws:",)

# Fields of resources that the project makes, and who decides them. No module compares them; the plan says so in its JSON.
FOREIGN_FIELDS = {
    "Auto Scaling group": {
        "desired_capacity": "Auto Scaling, between min_size and max_size",
        "instances": "Auto Scaling",
        "suspended_processes": "who operates the group",
        "launch_template.version": "the instance refresh of a rollout",
    },
    "target group": {"targets": "Auto Scaling"},
    "listener": {"rules": "rollouts and experiments"},
    "alarm": {"state": "CloudWatch"},
    "parameter": {"value": "releases and rollouts"},
    "bucket": {"objects": "those who use the bucket"},
    "log group": {"log_streams": "the hosts"},
}

# Fields, by kind, that hold ids of what an apply makes, so that a plan made before can only say what they are of. What was
# reviewed with an unknown value in any other field is not what a merge applies.
MADE_BY_APPLY = {
    "Auto Scaling group": ("launch_template.id", "subnet_ids", "target_group_arns"),
    "image": ("content_digest",),
    "launch template": ("image", "security_groups"),
    "listener": ("certificate",),
    "load balancer": ("security_groups", "subnets"),
    "target group": ("vpc_id",),
    "wheelhouse": ("sha256",),
}

# Kinds whose members come and go without a variable that names them: releases make images, Auto Scaling makes instances.
# They carry the project's tags, so `make destroy` finds them, but no drift report asks who wanted them.
FOREIGN_KINDS = {
    "instance": "Auto Scaling, and the tasks that train or make images",
    "volume": "the instance that it belongs to",
    "image": "releases; the newest stay, and those that something refers to",
    "snapshot": "the image that it belongs to",
    "parameter": "releases and rollouts",
    "rules of a security group": "the security group that they belong to",
}

# Where the results of modules that do not return `managed` say what they manage: module, kind, path in the result.
# A path goes into dictionaries and over lists.
CLAIMS = (("pettracker.aws.scaling_group", "Auto Scaling group", "invocation.module_args.name"),)
