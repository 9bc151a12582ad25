"""Parameters of Systems Manager, which say which release is current.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterMetadata.html
"""

from collections.abc import Iterator

from ..state import State
from .fields import IDENTITY, TIME, Answer, Foreign, Ignored, Marks, each
from .finding import pages
from .kind import Answers, Clients, Grant, Kind, Owned, Scope

RELEASES = Foreign("releases and rollouts")
PARAMETERS: Marks = {
    **each(IDENTITY, "Name ARN"),
    "LastModifiedDate": TIME,
    "LastModifiedUser": Ignored("who changed it last, which CloudTrail tells as well"),
    **each(RELEASES, "Type KeyId Description AllowedPattern Version Tier Policies DataType"),
}


class Parameter(Kind):
    """No variable names one: it comes and changes with a release."""

    name = "parameter"
    service = "ssm"
    free = "a standard one costs nothing"
    members = "releases and rollouts"
    answers = (Answer("DescribeParameters", "Parameters", PARAMETERS), Answer("ListTagsForResource", "", {"TagList": RELEASES}))
    look = (Grant("ssm", "DescribeParameters"), Grant("ssm", "GetParameter GetParameters ListTagsForResource", ("parameters",)))
    change = (Grant("ssm", "AddTagsToResource PutParameter RemoveTagsFromResource", ("parameters",)),)
    removal = (Grant("ssm", "DeleteParameter", ("parameters",)),)
    delete = "delete_parameter", "Name"

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        by_tag = [{"Key": f"tag:{name}", "Values": [value]} for name, value in scope.tags.items()]
        for parameter in pages(clients("ssm"), "describe_parameters", "Parameters", ParameterFilters=by_tag):
            yield Owned(parameter["Name"])

    def state(self, answers: Answers) -> State:
        """Returns nothing: all of a parameter is a release's to decide."""
        return {}
