import itertools
import random
from collections import Counter

import pytest

from pushaside_tools.load.keys import new_keys, zipf_keys

DRAWS = 50_000


@pytest.mark.parametrize("skew", [0.0, 0.5, 1.0, 1.3])
def test_keys_are_as_frequent_as_the_law_says(skew: float) -> None:
    draw = zipf_keys(10, skew, random.Random(1).random)

    counts = Counter(draw() for _ in range(DRAWS))

    weights = [(key + 1) ** -skew for key in range(10)]
    for key, weight in enumerate(weights):
        assert counts[key] / DRAWS == pytest.approx(weight / sum(weights), abs=0.01)


@pytest.mark.parametrize("skew", [0.0, 1.0])
def test_even_the_largest_number_draws_a_key_that_exists(skew: float) -> None:
    assert zipf_keys(7, skew, lambda: 1 - 2**-53)() == 6
    assert zipf_keys(7, skew, lambda: 0.0)() == 0


def test_one_key_is_always_the_same() -> None:
    draw = zipf_keys(1, 1.0, random.Random(1).random)

    assert {draw() for _ in range(100)} == {0}


def test_new_keys_differ_between_processes_and_runs_and_are_exact_in_json() -> None:
    givers = [new_keys(run, process, 3) for run in (0, 1, 2**25 - 1) for process in range(3)]

    keys = [give() for give in givers for _ in range(1000)]

    assert len(set(keys)) == len(keys)
    assert max(keys) < 2**53


def test_a_process_gives_its_keys_in_order() -> None:
    keys = [new_keys(0, 1, 2)() for _ in itertools.repeat(None, 1)]

    assert keys == [1]
