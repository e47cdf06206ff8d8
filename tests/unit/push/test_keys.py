"""Keys: the same for the same question, another for every other one, and never across tenants."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from push.computes import Compute, Tenant, compute
from push.errors import ErrorCode, RequestError
from push.keys import Key, make_key, parse_storage, parse_tenant
from push.topics.topics import live_topic, parse_topic_storage
from tests.builders.results import echo, own, shared


class FloatParams(msgspec.Struct, frozen=True):
    number: float = 0.0


@compute(name="floats", ttl=1.0)
async def floats(params: FloatParams) -> object:
    """Compute nothing."""


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "text": NAMES,
        "number": st.integers(-(2**63), 2**63),
        "value": st.integers(-10, 10) | NAMES | st.booleans() | st.none(),
        "members": st.dictionaries(NAMES, st.integers(0, 9), max_size=4),
    },
)
TENANTS = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)


def key_of(params: dict[str, object], tenant: str = "acme") -> Key:
    return make_key(Tenant(tenant), echo, echo.parse_params(json.dumps(params).encode()))


def shuffled(params: dict[str, object], rng: random.Random) -> dict[str, object]:
    members = list(params.items())
    rng.shuffle(members)
    return {name: shuffled(value, rng) if isinstance(value, dict) else value for name, value in members}


@given(PARAMS, st.randoms())
def test_the_order_of_members_makes_no_difference(params: dict[str, object], rng: random.Random) -> None:
    assert key_of(shuffled(params, rng)) == key_of(params)


@given(PARAMS)
def test_what_is_left_out_is_the_default(params: dict[str, object]) -> None:
    assert key_of({"text": "", "number": 0, "value": None, "members": {}, **params}) == key_of(params)


@given(PARAMS, PARAMS)
def test_other_params_make_another_key(params: dict[str, object], others: dict[str, object]) -> None:
    canonical = [echo.parse_params(json.dumps(each).encode()) for each in (params, others)]
    are_same = msgspec.json.encode(canonical[0], order="sorted") == msgspec.json.encode(canonical[1], order="sorted")
    assert (key_of(params) == key_of(others)) is are_same


def test_values_of_other_types_are_other_params() -> None:
    keys = [key_of({"value": value}).digest for value in (1, "1", True, "true", None, "null", 1.5, "1.5")]
    assert len(set(keys)) == len(keys)


def test_a_number_is_of_the_type_that_was_declared() -> None:
    digests = {
        make_key(Tenant("a"), floats, floats.parse_params(raw)).digest
        for raw in (b'{"number":1}', b'{"number":1.0}', b'{"number":1e0}')
    }
    assert len(digests) == 1


@given(TENANTS, TENANTS, PARAMS)
def test_tenants_never_share_a_key(one: str, other: str, params: dict[str, object]) -> None:
    assert (key_of(params, one).storage == key_of(params, other).storage) is (one == other)


@given(TENANTS, TENANTS)
def test_a_shared_compute_has_one_key_for_all_tenants_that_no_tenants_own_key_is(one: str, other: str) -> None:
    params = shared.parse_params(b"{}")
    key = make_key(Tenant(one), shared, params)
    assert key == make_key(Tenant(other), shared, params)
    assert key.storage != make_key(Tenant(one), replace(shared, scope=echo.scope), params).storage


PRINCIPALS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=256)


@given(TENANTS, PRINCIPALS, TENANTS, PRINCIPALS)
def test_principals_never_share_a_key_of_a_compute_of_their_own(
    tenant: str, principal: str, other_tenant: str, other: str
) -> None:
    params = own.parse_params(b"{}")
    keys = [make_key(Tenant(tenant), own, params, principal), make_key(Tenant(other_tenant), own, params, other)]
    assert (keys[0].storage == keys[1].storage) is ((tenant, principal) == (other_tenant, other))
    assert keys[0].public == keys[1].public


@given(TENANTS, PRINCIPALS)
def test_keys_of_the_other_scopes_do_not_depend_on_the_principal(tenant: str, principal: str) -> None:
    for each in (echo, shared):
        params = each.parse_params(b"{}")
        assert make_key(Tenant(tenant), each, params, principal) == make_key(Tenant(tenant), each, params)


def test_without_a_principal_there_is_no_key_of_its_own() -> None:
    with pytest.raises(RequestError, match="belong to a principal"):
        make_key(Tenant("acme"), own, own.parse_params(b"{}"))


@given(TENANTS, PRINCIPALS, st.sampled_from([echo, shared, own]))
def test_a_key_is_read_from_its_name_in_a_store(tenant: str, principal: str, compute: Compute[Any]) -> None:
    key = make_key(Tenant(tenant), compute, compute.parse_params(b"{}"), principal)
    assert parse_storage(key.storage) == key
    assert parse_topic_storage(live_topic(key).storage) == live_topic(key)
    assert live_topic(key).storage == key.storage


def test_computes_and_versions_have_keys_of_their_own() -> None:
    params = echo.parse_params(b"{}")
    keys = {
        make_key(Tenant("a"), each, params) for each in (echo, replace(echo, version=2), replace(echo, name="other"))
    }
    assert len({key.storage for key in keys}) == 3


def test_the_public_key_does_not_tell_the_tenant() -> None:
    key = key_of({"text": "a"}, "acme")
    assert key.public == f"echo@1:{key.digest}"
    assert key.storage == f"acme/{key.public}"


def test_a_digest_is_128_bits_in_hex() -> None:
    assert len(bytes.fromhex(key_of({}).digest)) == 16


@given(TENANTS)
def test_plain_names_are_tenants(name: str) -> None:
    assert parse_tenant(name) == name


@given(st.text().filter(lambda text: not text or not all(c.isascii() and (c.isalnum() or c in "_.-") for c in text)))
def test_other_names_are_forbidden(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_tenant(name)
    assert caught.value.code is ErrorCode.FORBIDDEN


@pytest.mark.parametrize("name", ["x" * 65, "a\n", "*", "a/b", "{a}"])
def test_names_that_could_be_mistaken_are_forbidden(name: str) -> None:
    with pytest.raises(RequestError):
        parse_tenant(name)
