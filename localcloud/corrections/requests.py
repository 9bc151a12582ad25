"""Each request of every service, before moto answers it: what is answered without moto."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult, BaseResponse

from localcloud.corrections import access, constraints, ec2_consistency, service_linked_roles, texts, throttling
from localcloud.corrections.patching import correction

if TYPE_CHECKING:
    from localcloud.account import Account


def apply(account: Account) -> None:
    """Let the first rule answer that has an answer, an error or not, and moto if none has."""
    rules = (
        access.refusal,
        account.throttling.refusal,
        constraints.refusal,
        service_linked_roles.refusal,
        lambda request: ec2_consistency.unknown(request, account.consistency),
    )

    @correction(
        *(BaseResponse, "call_action", access.HOSTS, throttling.RATE, constraints.MODEL, texts.TEXTS),
        *(service_linked_roles.FIRST_CALL, ec2_consistency.NEWS),
    )
    def call_action(original: Any, self: Any) -> Any:
        for rule in rules:
            answer = rule(self)
            if answer is not None:
                status, headers, body = self.serialized(ActionResult(answer))
                status = getattr(answer, "status", status)
                headers, body = self._enrich_response(headers, body)
                return status, headers, body
        return ec2_consistency.answered(original, self, account.consistency)
