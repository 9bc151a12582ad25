"""Identity providers of IAM, whose tokens roles trust.

An account has one provider of an issuer, which everything in the account shares, so nothing of it is ever taken away.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..refusals import unless_gone
from ..state import State
from .fields import IDENTITY, TIME, Answer, Foreign, Ignored, Marks, compared
from .keeping import Kept
from .kind import Answers, Client, Clients, Owned, Scope

OPEN_ID_CONNECT_PROVIDER: Marks = {
    "Url": IDENTITY,
    **compared(audiences="ClientIDList"),
    "ThumbprintList": Ignored("AWS checks well-known issuers by its own list of authorities"),
    "CreateDate": TIME,
    "Tags": Foreign("the account, which shares the provider"),
}


class IdentityProvider(Kept):
    """Known by the address of its issuer. An administrator makes it, and no role of the workflows may touch it."""

    name = "identity provider"
    service = "iam"
    free = "AWS charges for none"
    torn_down = False
    delete = "delete_open_id_connect_provider", "OpenIDConnectProviderArn"
    answers = (Answer("GetOpenIDConnectProvider", "", OPEN_ID_CONNECT_PROVIDER),)

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        """Yields none: a provider is the account's."""
        yield from ()

    def read(self, clients: Clients, name: str) -> Answers:
        client = clients("iam")
        arn = _arn(client, name)
        if not arn:
            return {}
        answer = unless_gone(lambda: client.get_open_id_connect_provider(OpenIDConnectProviderArn=arn), {})
        return {"GetOpenIDConnectProvider": answer | {"Arn": arn}} if answer else {}

    def identity(self, name: str, answers: Answers) -> str:
        return str(answers["GetOpenIDConnectProvider"]["Arn"])

    def declared(self, entry: Mapping[str, Any]) -> frozenset[str]:
        return frozenset(entry["audiences"])

    def nobodys(self, answers: Answers, declared: frozenset[str] = frozenset()) -> dict[str, list[str]]:
        """Returns the audiences that others have let in."""
        others = [audience for audience in self.state(answers)["audiences"] if audience not in declared]
        return {"audience": others} if others else {}

    def state(self, answers: Answers) -> State:
        return {"audiences": sorted(answers["GetOpenIDConnectProvider"].get("ClientIDList") or [])}

    def wanted(self, entry: Mapping[str, Any], found: State | None) -> State:
        return {"audiences": sorted({*entry["audiences"], *(found["audiences"] if found else [])})}

    def apply(self, clients: Clients, name: str, wanted: State, answers: Answers) -> None:
        client = clients("iam")
        if not answers:
            client.create_open_id_connect_provider(Url=name, ClientIDList=wanted["audiences"])
            return
        arn = self.identity(name, answers)
        for audience in sorted(set(wanted["audiences"]) - set(self.state(answers)["audiences"])):
            client.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=audience)


def _arn(client: Client, url: str) -> str:
    found = client.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    ending = ":oidc-provider/" + url.removeprefix("https://")
    return next((provider["Arn"] for provider in found if provider["Arn"].endswith(ending)), "")
