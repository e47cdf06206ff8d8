"""What `leaderboard` takes."""

from __future__ import annotations

import msgspec
import pytest

from compute.leaderboard import DEFAULT_TOP, LeaderboardParams, leaderboard, leaderboard_tags
from push.computes import Tenant
from push.errors import ErrorCode, RequestError
from push.keys import make_key


def parse(**params: object) -> LeaderboardParams:
    return leaderboard.parse_params(msgspec.json.encode(params))


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"board": "a/b"},
        {"board": "b", "top": 0},
        {"board": "b", "top": 1001},
        {"board": "b", "top": 1.5},
        {"board": "b", "around": ""},
        {"board": "b", "rank": "x" * 129},
        {"board": "b", "top": 5, "rank": "ada"},
        {"board": "b", "around": "ada", "rank": "ada"},
        {"board": "b", "other": 1},
    ],
    ids=str,
)
def test_params_that_do_not_fit_are_invalid(params: dict[str, object]) -> None:
    with pytest.raises(RequestError) as caught:
        parse(**params)
    assert caught.value.code is ErrorCode.INVALID_PARAMS


def test_asking_for_nothing_else_is_asking_for_the_first_ten_under_one_key() -> None:
    plain, explicit = parse(board="chess"), parse(board="chess", top=DEFAULT_TOP)
    assert make_key(Tenant("acme"), leaderboard, plain) == make_key(Tenant("acme"), leaderboard, explicit)


def test_a_result_is_tagged_with_its_board() -> None:
    assert leaderboard_tags(parse(board="chess", rank="ada")) == ("leaderboard:chess",)
