"""The throttling that a template declares reaches the deployed stages."""

from __future__ import annotations

from typing import Any

import pytest

from local.deploying.deployable_template import Placeholder, make_deployable
from local.deploying.throttles import resolved_throttles

SETTINGS = {
    "DefaultRouteSettings": {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": {"Ref": "Burst"}},
    "RouteSettings": {"GET /x": {"ThrottlingRateLimit": "0.5", "DetailedMetricsEnabled": True}},
}


def stages(resource_type: str, properties: dict[str, Any], **sections: Any) -> list[dict[str, Any]]:
    """Return the settings of stages, `Ref`s evaluated: to `api-1` of the API and to 50 of the burst."""
    resources = {"Api": {"Type": resource_type, "Properties": properties}}
    result = make_deployable({"Resources": resources, **sections}, Placeholder("bucket", "key"))
    values = {"Api": "api-1", "HttpApi": "api-1", "Burst": "50", "Left": ""}
    outputs = {name: values[each["Value"]["Ref"]] for name, each in result.body["Outputs"].items()}
    return list(resolved_throttles(result.throttles, outputs))


@pytest.mark.parametrize(
    ("resource_type", "properties"),
    [
        ("AWS::ApiGatewayV2::Stage", {"ApiId": {"Ref": "HttpApi"}}),
        ("AWS::Serverless::HttpApi", {}),
        ("AWS::Serverless::WebSocketApi", {}),
    ],
)
def test_limits_are_numbers_with_every_reference_evaluated(resource_type: str, properties: dict[str, Any]) -> None:
    assert stages(resource_type, properties | SETTINGS) == [
        {
            "ApiId": "api-1",
            "DefaultRouteSettings": {"ThrottlingRateLimit": 100.0, "ThrottlingBurstLimit": 50},
            "RouteSettings": {"GET /x": {"ThrottlingRateLimit": 0.5}},
        }
    ]


def test_the_globals_hold_for_apis_of_sam() -> None:
    (stage,) = stages("AWS::Serverless::HttpApi", {}, Globals={"HttpApi": SETTINGS})
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 50


def test_stages_without_limits_are_left_alone() -> None:
    properties = {"ApiId": {"Ref": "HttpApi"}, "DefaultRouteSettings": {"DetailedMetricsEnabled": True}}
    assert stages("AWS::ApiGatewayV2::Stage", properties) == []


def test_a_stage_that_a_condition_leaves_out_has_none() -> None:
    assert stages("AWS::ApiGatewayV2::Stage", {"ApiId": {"Ref": "Left"}} | SETTINGS) == []
