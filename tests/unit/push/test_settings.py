"""Settings: read from an environment, and refused with the name of what is wrong."""

from __future__ import annotations

import pytest

from push.errors import SettingsError
from push.settings import (
    SYNTHETIC_COMPUTE,
    AuthorizerSettings,
    ComputeSettings,
    RequestSettings,
    offered_modules,
    read_settings,
    split_list,
)

REQUEST = {
    "CACHE_URL": "redis://localhost:6379/0",
    "COMPUTE_QUEUE_URL": "http://localhost/queue",
    "DELIVERY_QUEUE_URL": "http://localhost/deliveries",
    "FAN_OUT_QUEUE_URL": "http://localhost/fan-out",
    "STORAGE_BUCKET": "bucket",
    "SUBSCRIPTIONS_TABLE": "subscriptions",
}


def test_a_setting_is_the_variable_of_its_name() -> None:
    settings = read_settings(RequestSettings, REQUEST | {"MEMORY_CACHE_MB": "16", "PATH": "/bin"})
    assert (settings.cache_url, settings.memory_cache_mb) == ("redis://localhost:6379/0", 16)


def test_what_is_absent_is_the_default() -> None:
    settings = read_settings(RequestSettings, REQUEST)
    assert (settings.allow_synthetic, settings.cache_timeout_ms) == (False, 100)
    assert settings.modules == ("compute.documents", "compute.leaderboard")


@pytest.mark.parametrize(("text", "is_allowed"), [("true", True), ("false", False), ("1", True), ("0", False)])
def test_a_switch_is_true_or_false(text: str, is_allowed: bool) -> None:
    assert read_settings(RequestSettings, REQUEST | {"ALLOW_SYNTHETIC": text}).allow_synthetic is is_allowed


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({name: text for name, text in REQUEST.items() if name != "COMPUTE_QUEUE_URL"}, "compute_queue_url"),
        (REQUEST | {"MEMORY_CACHE_MB": "many"}, "memory_cache_mb"),
        (REQUEST | {"ALLOW_SYNTHETIC": "perhaps"}, "allow_synthetic"),
    ],
)
def test_what_is_absent_or_unusable_is_named(environment: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings(RequestSettings, environment)


def test_a_choice_is_one_of_its_kind() -> None:
    tables = dict.fromkeys(("CONNECTIONS_TABLE", "SUBSCRIPTIONS_TABLE", "REQUESTS_TABLE", "WEBHOOK_QUEUE_URL"), "x")
    environment = (
        REQUEST
        | tables
        | {
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "http://localhost",
            "MANAGEMENT_CLIENT": "curl",
        }
    )
    with pytest.raises(SettingsError, match="management_client"):
        read_settings(ComputeSettings, environment)


@pytest.mark.parametrize(
    ("text", "parts"), [("", ()), (" , ,", ()), ("a", ("a",)), (" a , b,", ("a", "b")), ("*", ("*",))]
)
def test_a_list_is_split_at_commas(text: str, parts: tuple[str, ...]) -> None:
    assert split_list(text) == parts
    assert AuthorizerSettings(tickets_table="t", allowed_origins=text).origins == parts


@pytest.mark.parametrize("text", ["a", f"a,{SYNTHETIC_COMPUTE}"])
def test_the_synthetic_compute_is_on_offer_only_if_it_is_allowed(text: str) -> None:
    assert offered_modules(text, allow_synthetic=True) == ("a", SYNTHETIC_COMPUTE)
    assert offered_modules(text, allow_synthetic=False) == ("a",)
