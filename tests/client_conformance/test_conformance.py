"""Every client does in every scenario what the protocol says; the scenarios are data, in the folder beside this."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.client_conformance.catalogue import load_clients, load_scenarios
from tests.client_conformance.conftest import runner_of
from tests.client_conformance.running import Verdict
from tests.client_conformance.test_scenarios import RECEIVED

SCENARIOS = load_scenarios()
LACKS = load_clients()


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("client", ["python", "node"])
def test_client_does_as_the_protocol_says(
    client: str, scenario: str, verdicts_of: Callable[[str], dict[str, Verdict]]
) -> None:
    runner_of(client)
    for need in SCENARIOS[scenario]["needs"]:
        if need in LACKS[client]:
            pytest.skip(LACKS[client][need])
    verdict = verdicts_of(client)[scenario]
    assert verdict.problems == []
    for message in verdict.received:
        RECEIVED[message["action"]].validate(message)
