"""Each request of every service, before moto answers it: what is answered without moto."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult, BaseResponse

from localcloud.corrections import ec2_consistency
from localcloud.corrections.patching import correction

if TYPE_CHECKING:
    from localcloud.consistency import Consistency

# Takes a request, as moto holds it, and returns its answer, an error or not; None leaves it to the next one.
Rule = Callable[[Any], Any]


def apply(rules: list[Rule], consistency: Consistency) -> None:
    """Let the first of `rules` answer that has an answer, and moto if none has."""

    @correction(BaseResponse, "call_action")
    def call_action(original: Any, self: Any) -> Any:
        for rule in rules:
            answer = rule(self)
            if answer is not None:
                status, headers, body = self.serialized(ActionResult(answer))
                status = getattr(answer, "status", status)
                headers, body = self._enrich_response(headers, body)
                return status, headers, body
        return ec2_consistency.answered(original, self, consistency)
