"""Templates of MOCK integrations."""

from __future__ import annotations

import pytest

from local.gateway.mock_integration import is_constant, render

CONTEXT = {"connectionId": "abc=", "identity": {"sourceIp": "127.0.0.1"}, "connectedAt": 5}


@pytest.mark.parametrize(
    ("template", "answer"),
    [
        ('{"type":"pong"}', '{"type":"pong"}'),
        ("$context.connectionId", "abc="),
        ("${context.connectionId}s", "abc=s"),
        ("$context.identity.sourceIp.", "127.0.0.1."),
        ("$context.connectedAt", "5"),
        ("[$context.missing$context.identity.no.more]", "[]"),
        ("$stageVariables.name", "value"),
        ("$5 and $other.thing", "$5 and $other.thing"),
    ],
)
def test_references_are_replaced(template: str, answer: str):
    assert render(template, CONTEXT, {"name": "value"}) == answer
    assert is_constant(template) == (template == answer)
