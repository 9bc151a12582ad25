"""VPC flow logs. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_FlowLog.html"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..propagation import NEW_ID, NEW_ROLE, once_known
from ..state import State, tags_to_dict
from .ec2 import TAGGING, Ec2Kind, Resource, arns, tag_specifications
from .fields import FIXED, IDENTITY, STATUS, TIME, UNSET, Answer, Default, Ignored, Marks, compared, each
from .kind import Answers, Client, Clients, Grant

CLOUDWATCH = "cloud-watch-logs"
# https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html#flow-logs-default
DEFAULT_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} "
    "${start} ${end} ${action} ${log-status}"
)
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html, MaxAggregationInterval
DEFAULT_SECONDS = 600
# The fields that are described and made by the same names.
FIELDS = {
    **{"log_group": "LogGroupName", "role_arn": "DeliverLogsPermissionArn", "traffic_type": "TrafficType"},
    "aggregation_seconds": "MaxAggregationInterval",
}
FLOW_LOGS: Marks = {
    "FlowLogId": IDENTITY,
    "ResourceId": FIXED,
    "CreationTime": TIME,
    **each(STATUS, "FlowLogStatus DeliverLogsStatus DeliverLogsErrorMessage"),
    **compared(**FIELDS, tags="Tags"),
    "LogFormat": Default(DEFAULT_FORMAT),
    "DeliverCrossAccountRole": UNSET,
    "TagFieldSpecifications": each(UNSET, "ResourceType TagKeys"),
    "LogDestinationType": Ignored("another destination is another flow log, which nothing declares"),
    "LogDestination": Ignored("the log group under its other name"),
    "DestinationOptions": Ignored("of flow logs to S3, which nothing declares"),
}


class FlowLog(Ec2Kind):
    """One of a VPC to CloudWatch Logs. It cannot be changed, apart from its tags; a different one replaces it."""

    name = "flow log"
    free = "its lines are the log group's"
    describe, listing, key, made_at = "describe_flow_logs", "FlowLogs", "FlowLogId", "CreationTime"
    filters = "Filter"
    place = "resource-id"
    answers = (Answer("DescribeFlowLogs", "FlowLogs", FLOW_LOGS),)
    change = (
        Grant("ec2", "CreateFlowLogs", arns("vpc-flow-log"), "making"),
        Grant("ec2", "CreateFlowLogs", arns("vpc"), "own"),
        Grant("ec2", "DeleteFlowLogs", arns("vpc-flow-log"), "own"),
        TAGGING,
    )
    removal = (Grant("ec2", "DeleteFlowLogs", arns("vpc-flow-log"), "own"),)

    def remove(self, clients: Clients, identity: str) -> None:
        clients("ec2").delete_flow_logs(FlowLogIds=[identity])

    def of_vpc(self, client: Client, vpc_id: str, wanted: State) -> tuple[Answers, list[str]]:
        """Returns AWS's answers about the flow log of a VPC, without one nothing, and the ids of others that it has.

        It is the one to the wanted log group, or else one with the wanted tags: other people's stay.
        """
        logs = self.listed(client, ("resource-id", [vpc_id]))
        to_cloudwatch = [log for log in logs if log.get("LogDestinationType", CLOUDWATCH) == CLOUDWATCH]
        there = [log for log in to_cloudwatch if log.get("LogGroupName") == wanted["log_group"]]
        tagged = [log for log in to_cloudwatch if wanted["tags"].items() <= tags_to_dict(log.get("Tags", [])).items()]
        ours = [*there, *tagged][:1]
        others = [str(log["FlowLogId"]) for log in logs if log not in ours]
        return ({"DescribeFlowLogs": ours[0]} if ours else {}), others

    def state(self, answers: Answers) -> State:
        log = answers["DescribeFlowLogs"]
        fields = {field: log.get(key) for field, key in FIELDS.items()} | {"tags": tags_to_dict(log.get("Tags", []))}
        return fields | {"aggregation_seconds": log.get("MaxAggregationInterval", DEFAULT_SECONDS)}

    def wanted(self, parameters: Mapping[str, Any]) -> State:
        """Returns the module's parameters in the fields of `state`."""
        return {field: parameters[field] for field in (*FIELDS, "tags")}

    def make(self, client: Client, vpc_id: str, wanted: State) -> str:
        """Makes the flow log of a VPC, as soon as EC2 knows the VPC and the role, and returns its id."""
        create = partial(
            client.create_flow_logs,
            ResourceIds=[vpc_id],
            ResourceType="VPC",
            LogDestinationType=CLOUDWATCH,
            **{key: wanted[field] for field, key in FIELDS.items()},
            TagSpecifications=tag_specifications("vpc-flow-log", wanted["tags"]),
        )
        return once_known(lambda: _made_by(create()), NEW_ROLE, NEW_ID)


def _made_by(answer: Resource) -> str:
    """Returns the id of the flow log that was made; what EC2 says of the VPC stands in the answer, and is no error of the call.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html
    """
    for refused in answer.get("Unsuccessful", []):
        error = refused["Error"]
        raise RuntimeError(f"EC2 refused {refused.get('ResourceId')}: {error['Code']}: {error['Message']}")
    return str(answer["FlowLogIds"][0])
