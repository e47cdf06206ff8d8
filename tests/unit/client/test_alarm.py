from __future__ import annotations

from collections.abc import Callable

import pytest

from pushaside.alarm import Alarm


class Handle:
    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at, self.callback, self.is_cancelled = at, callback, False

    def cancel(self) -> None:
        self.is_cancelled = True


class Loop:
    """The timers of an event loop whose time the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.handles: list[Handle] = []

    def call_at(self, at: float, callback: Callable[[], None]) -> Handle:
        self.handles.append(Handle(at, callback))
        return self.handles[-1]

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        return self.call_at(self.now + seconds, callback)

    def waiting(self) -> list[Handle]:
        return [each for each in self.handles if not each.is_cancelled]

    def run_until(self, now: float) -> None:
        while due := sorted((each for each in self.waiting() if each.at <= now), key=lambda each: each.at):
            self.now = due[0].at
            self.handles.remove(due[0])
            due[0].callback()
        self.now = now


class World:
    def __init__(self) -> None:
        self.loop = Loop()
        self.next_at: float | None = None
        self.looks = 0
        self.rings: list[float] = []
        self.alarm = Alarm(self.loop, self.look, lambda: self.rings.append(self.loop.now))

    def look(self) -> float | None:
        self.looks += 1
        return self.next_at

    def change(self, next_at: float | None) -> None:
        self.next_at = next_at
        if self.alarm.is_idle:
            self.alarm.set_soon()


@pytest.fixture
def world() -> World:
    return World()


def test_it_rings_at_the_next_time(world: World) -> None:
    world.change(7.0)
    world.loop.run_until(20.0)

    assert world.rings == [7.0]


def test_many_changes_at_once_cost_one_look(world: World) -> None:
    for number in range(100):
        world.change(100.0 - number)
    world.loop.run_until(0.5)

    assert world.looks == 1
    world.loop.run_until(100.0)
    assert world.rings == [1.0]


def test_an_earlier_time_takes_the_place_of_a_later_one(world: World) -> None:
    for next_at in (9.0, 4.0):
        world.change(next_at)
        world.loop.run_until(1.0)
    world.loop.run_until(20.0)

    assert world.rings == [4.0]


def test_a_later_time_leaves_the_timer_that_rings_too_early(world: World) -> None:
    for next_at in (4.0, 9.0):
        world.change(next_at)
        world.loop.run_until(1.0)
    world.loop.run_until(20.0)

    assert world.rings == [4.0]


def test_it_does_not_ring_when_nothing_is_due_any_more(world: World) -> None:
    for next_at in (4.0, None):
        world.change(next_at)
        world.loop.run_until(1.0)
    world.loop.run_until(20.0)

    assert world.rings == []


@pytest.mark.parametrize("stopped_at", [0.0, 1.0])
def test_once_stopped_it_has_no_timer_and_takes_no_other(world: World, stopped_at: float) -> None:
    world.change(4.0)
    world.loop.run_until(stopped_at)
    world.alarm.stop()
    world.change(2.0)

    assert world.loop.waiting() == []
