"""Who has to go when there is no room for more bytes of uploads."""

import pytest

from inference.budget import Budget, Upload

KIB = 1024


class Clock:
    """Time that passes when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Client:
    """Uploads to a budget, and knows whether it was ended or refused."""

    def __init__(self, budget: Budget) -> None:
        self.budget, self.ended, self.refused = budget, 0, 0
        self.upload = Upload(self._end)
        budget.expect(self.upload)

    def send(self, size: int) -> None:
        self.refused += not self.budget.take(self.upload, size)

    def _end(self) -> None:
        self.ended += 1


def test_what_fits_is_held_until_it_is_given_back() -> None:
    budget = Budget(100)
    first, second = Client(budget), Client(budget)
    first.send(60)
    second.send(40)
    assert (budget.held, first.ended, second.refused) == (100, 0, 0)
    for client in (first, first, second):
        budget.give_back(client.upload)
    assert budget.held == 0


@pytest.mark.parametrize("drip", [0, 1, 100])
def test_who_holds_much_and_sends_hardly_anything_goes_for_who_sends(drip: int) -> None:
    clock = Clock()
    budget = Budget(1000 * KIB, clock)
    idle = [Client(budget) for _ in range(10)]
    for client in idle:
        client.send(100 * KIB - 10_000)
    for _ in range(60):
        clock.now += 0.5
        for client in idle:
            if not client.ended:
                client.send(drip)
    customers = []
    for _ in range(20):
        customers.append(Client(budget))
        for _ in range(10):
            clock.now += 0.05
            customers[-1].send(30 * KIB)
        budget.complete(customers[-1].upload)
        if len(customers) > 2:
            budget.give_back(customers[-3].upload)
    assert [(client.ended, client.refused) for client in customers] == [(0, 0)] * 20
    assert 0 < sum(client.ended for client in idle) <= 10


def test_a_slow_client_is_kept_while_there_is_room() -> None:
    clock = Clock()
    budget = Budget(1000 * KIB, clock)
    slow, quick = Client(budget), Client(budget)
    slow.send(500 * KIB)
    clock.now += 25
    quick.send(500 * KIB)
    assert (slow.ended, quick.refused) == (0, 0)


def test_who_asks_is_refused_if_nobody_holds_more_for_the_pace() -> None:
    clock = Clock()
    budget = Budget(100 * KIB, clock)
    slow, quick = Client(budget), Client(budget)
    slow.send(10 * KIB)
    for _ in range(8):
        clock.now += 1
        quick.send(10 * KIB)
    clock.now += 20
    quick.send(8 * KIB)
    slow.send(1)
    clock.now += 30
    budget.complete(quick.upload)
    slow.send(2 * KIB)
    assert (slow.ended, slow.refused, slow.upload.held, quick.upload.held) == (0, 1, 0, 88 * KIB)


def test_what_is_complete_is_not_ended() -> None:
    clock = Clock()
    budget = Budget(100 * KIB, clock)
    complete, late = Client(budget), Client(budget)
    complete.send(90 * KIB)
    budget.complete(complete.upload)
    clock.now += 1000
    late.send(20 * KIB)
    assert (complete.ended, late.refused, budget.held) == (0, 1, 90 * KIB)


def test_nobody_goes_for_one_that_is_too_large_even_alone() -> None:
    budget = Budget(100 * KIB)
    small, huge = Client(budget), Client(budget)
    small.send(10 * KIB)
    huge.send(101 * KIB)
    assert (small.ended, huge.refused, budget.held) == (0, 1, 10 * KIB)


def test_who_has_sent_nothing_yet_is_coming_and_goes_for_nobody() -> None:
    clock = Clock()
    budget = Budget(100 * KIB, clock)
    silent = [Client(budget) for _ in range(1000)]
    holder = Client(budget)
    holder.send(90 * KIB)
    clock.now += 20
    late = Client(budget)
    late.send(20 * KIB)
    assert (sum(client.ended for client in silent), holder.ended, late.refused) == (0, 1, 0)
    assert budget.coming == 1001
    for client in [late, *silent]:
        budget.give_back(client.upload)
    assert budget.coming == 0


def test_of_thousands_somebody_goes_at_once() -> None:
    budget = Budget(4096 * KIB)
    crowd = [Client(budget) for _ in range(4096)]
    for client in crowd:
        client.send(KIB)
    late = Client(budget)
    late.send(10 * KIB)
    assert late.refused + sum(client.ended for client in crowd) >= 1
    assert budget.held <= budget.limit
