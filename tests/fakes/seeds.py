"""Seeds of simulations, in pieces that take seconds each: few by which every run is tested, and many more."""

from __future__ import annotations

import pytest


def parts(few: int, many: int, pieces: int) -> list[object]:
    """Return parameters: the seeds below `few`, and those from there to `many` as several slow tests.

    One test of all of them would need minutes where the cores are busy, more than a test may take.
    """
    step = -(-(many - few) // pieces)
    slow = [
        pytest.param(range(start, min(start + step, many)), marks=pytest.mark.slow, id=f"from {start}")
        for start in range(few, many, step)
    ]
    return [pytest.param(range(few), id="few"), *slow]
