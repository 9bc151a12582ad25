"""Other people's resources cost drift no calls, however many there are."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Scope
from ansible_collections.pettracker.aws.plugins.module_utils.owned_resources import identities, listed

from tests.plan.others import KINDS, Counted, make_others, name_as_inventories_do
from tests.plan.world import NAME, TAGS, World, alarm

Client = Callable[[str], Any]
# Fewer than any answer has in one page, and enough to tell one call for all from one for each.
OF_EACH_KIND = 10


def test_what_belongs_to_others_is_asked_for_in_pages_only(world: World, client: Client) -> None:
    counted = Counted(client)
    world.client = counted

    def look() -> tuple[dict[str, list[str]], Counter[str], Counter[str]]:
        counted.calls.clear()
        assert world.plan() == []
        planning = counted.calls.copy()
        counted.calls.clear()
        found = identities(listed(counted, Scope(TAGS, world.results["vpc_network"]["vpc_id"], f"{NAME}-")))
        return found, planning, counted.calls.copy()

    name_as_inventories_do(world)
    world.apply()
    alone = look()
    assert {"budget": [f"{NAME}-monthly"], "instance profile": [f"{NAME}-service"]}.items() <= alone[0].items()
    make_others(client, OF_EACH_KIND * len(KINDS))
    assert look() == alone


def test_alarms_are_asked_for_in_one_call_however_many_they_are(world: World, client: Client) -> None:
    world.client = counted = Counted(client)
    world.parameters = {"metric_alarms": world.parameters["metric_alarms"]}
    world.parameters["metric_alarms"]["alarms"] = [alarm(f"{NAME}-{number}") for number in range(3)]
    world.apply()
    counted.calls.clear()
    assert world.plan() == []
    assert counted.calls["DescribeAlarms"] == 1
