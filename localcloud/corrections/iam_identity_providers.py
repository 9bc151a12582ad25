"""IAM's identity providers: the audiences of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.responses import EmptyResult
from moto.iam.responses import IamResponse

from localcloud.corrections.patching import NOT_REPORTED, Difference, addition

if TYPE_CHECKING:
    from localcloud.account import Account

AUDIENCES = Difference(
    "neither adds an audience to a provider nor takes one away",
    aws="https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html",
    upstream=NOT_REPORTED,
)


def apply(_account: Account) -> None:
    """Add and remove audiences; both may be repeated."""

    @addition(IamResponse, "add_client_id_to_open_id_connect_provider", AUDIENCES)
    def add(self: Any) -> EmptyResult:
        audiences, audience = _asked(self)
        if audience not in audiences:
            audiences.append(audience)
        return EmptyResult()

    @addition(IamResponse, "remove_client_id_from_open_id_connect_provider", AUDIENCES)
    def remove(self: Any) -> EmptyResult:
        audiences, audience = _asked(self)
        if audience in audiences:
            audiences.remove(audience)
        return EmptyResult()


def _asked(response: Any) -> tuple[list[str], str]:
    provider = response.backend.get_open_id_connect_provider(response._get_param("OpenIDConnectProviderArn"))
    return provider.client_id_list, response._get_param("ClientID")
