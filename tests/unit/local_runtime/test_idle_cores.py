"""Whether a core is idle, by the system's counts."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from local.functions.idle_cores import WINDOW_SECONDS, IdleCores, Times, read_times


@dataclass
class System:
    """Counts and a clock that a test moves."""

    idle: int = 0
    altogether: int = 0
    seconds: float = 0.0
    is_known: bool = True

    def read(self) -> Times | None:
        return (self.idle, self.altogether) if self.is_known else None

    def now(self) -> float:
        return self.seconds

    def passes(self, idle: int, busy: int, seconds: float = WINDOW_SECONDS) -> None:
        self.idle += idle
        self.altogether += idle + busy
        self.seconds += seconds


@pytest.fixture
def system() -> System:
    return System()


@pytest.fixture
def cores(system: System) -> IdleCores:
    return IdleCores(system.read, system.now)


@pytest.mark.parametrize(("idle", "busy", "are_there"), [(20, 0, True), (5, 15, True), (1, 19, False), (0, 20, False)])
def test_a_core_is_idle_if_much_of_the_last_window_was(
    system: System, cores: IdleCores, idle: int, busy: int, are_there: bool
) -> None:
    system.passes(idle, busy)
    cores.look()
    assert cores.are_there is are_there


def test_within_a_window_it_stays_as_it_was(system: System, cores: IdleCores) -> None:
    system.passes(0, 20)
    cores.look()
    system.passes(10, 0, WINDOW_SECONDS / 2)
    cores.look()
    assert not cores.are_there


def test_a_window_long_ago_says_nothing(system: System, cores: IdleCores) -> None:
    system.passes(0, 20)
    cores.look()
    system.passes(0, 2000, 60.0)
    cores.look()
    assert cores.are_there


def test_where_nothing_is_known_there_are(system: System, cores: IdleCores) -> None:
    system.is_known = False
    system.passes(0, 20)
    cores.look()
    assert cores.are_there


def test_the_systems_counts_grow() -> None:
    first = read_times()
    if first is None:
        pytest.skip("this system has no /proc/stat")
    sum(range(10**6))
    second = read_times()
    assert second is not None
    assert all(after >= before >= 0 for before, after in zip(first, second, strict=True))
