"""A template is changed only in what keeps it from being deployed here."""

from __future__ import annotations

import copy
from typing import Any

from local.deploying.deployable_template import DeployableTemplate, Placeholder, make_deployable
from local.deploying.output_values import OutputReference, resolve

PLACEHOLDER = Placeholder("bucket", "key")


def function(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::Serverless::Function", "Properties": {"Handler": "a.b", **properties}}


def deployable(resources: dict[str, Any], **sections: Any) -> DeployableTemplate:
    return make_deployable({"Resources": resources, **sections}, PLACEHOLDER)


def properties(result: DeployableTemplate, logical_id: str) -> dict[str, Any]:
    found: dict[str, Any] = result.body["Resources"][logical_id]["Properties"]
    return found


def test_the_template_itself_stays_as_it_is() -> None:
    template = {"Resources": {"F": function(CodeUri="src/")}, "Globals": {"Function": {"CodeUri": "src/"}}}
    before = copy.deepcopy(template)
    make_deployable(template, PLACEHOLDER)
    assert template == before


def test_code_becomes_a_placeholder() -> None:
    result = deployable(
        {
            "F": function(CodeUri="src/"),
            "Raw": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "src/"}},
            "Layer": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "layer/"}},
        },
        Globals={"Function": {"CodeUri": "src/"}},
    )
    assert properties(result, "F")["CodeUri"] == "s3://bucket/key"
    assert result.body["Globals"]["Function"]["CodeUri"] == "s3://bucket/key"
    assert properties(result, "Raw")["Code"] == {"S3Bucket": "bucket", "S3Key": "key"}
    assert properties(result, "Layer")["ContentUri"] == "s3://bucket/key"


def test_polled_events_are_disabled_and_others_are_not() -> None:
    events = {
        "Work": {"Type": "SQS", "Properties": {"Queue": "arn"}},
        "Route": {"Type": "HttpApi", "Properties": {"Path": "/"}},
    }
    result = deployable({"F": function(Events=events)})
    deployed = properties(result, "F")["Events"]
    assert deployed["Work"]["Properties"]["Enabled"] is False
    assert "Enabled" not in deployed["Route"]["Properties"]


def test_whether_the_template_enables_a_mapping_is_kept_under_its_logical_id() -> None:
    events = {"Work": {"Type": "SQS", "Properties": {"Queue": "arn", "Enabled": {"Ref": "Flag"}}}}
    raw = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"Enabled": False}}
    result = deployable({"F": function(Events=events), "Raw": raw})
    (output,) = result.body["Outputs"]
    assert result.body["Outputs"][output] == {"Value": {"Ref": "Flag"}}
    assert result.enabled == {"FWork": OutputReference(output), "Raw": False}


def test_route_responses_are_taken_out_and_their_references_evaluated_as_outputs() -> None:
    response = {
        "Type": "AWS::ApiGatewayV2::RouteResponse",
        "Condition": "Wanted",
        "Properties": {"ApiId": {"Ref": "Api"}, "RouteId": {"Ref": "Route"}, "RouteResponseKey": "$default"},
    }
    result = deployable({"Response": response, "Queue": {"Type": "AWS::SQS::Queue"}})
    assert set(result.body["Resources"]) == {"Queue"}
    assert {output["Condition"] for output in result.body["Outputs"].values()} == {"Wanted"}
    outputs = {
        name: {"Api": "api-1", "Route": "api-1/route-1"}[output["Value"]["Ref"]]
        for name, output in result.body["Outputs"].items()
    }
    assert resolve(result.route_responses, outputs) == [
        {"ApiId": "api-1", "RouteId": "api-1/route-1", "RouteResponseKey": "$default"}
    ]


def test_what_a_condition_leaves_out_evaluates_to_nothing() -> None:
    result = deployable({"F": function(ReservedConcurrentExecutions={"Fn::If": ["A", 5, {"Ref": "AWS::NoValue"}]})})
    (output,) = result.body["Outputs"].values()
    assert output["Value"] == {"Fn::If": ["A", 5, ""]}
    assert resolve(result.reserved_concurrency, {}) == {"F": None}


def test_reserved_concurrency_may_be_a_global() -> None:
    result = deployable({"F": function()}, Globals={"Function": {"ReservedConcurrentExecutions": 4}})
    assert result.reserved_concurrency == {"F": 4}


def test_nothing_is_left_that_refers_to_what_was_left_out() -> None:
    result = deployable(
        {
            "Query": {"Type": "AWS::Logs::QueryDefinition", "Properties": {}},
            "Queue": {"Type": "AWS::SQS::Queue", "DependsOn": ["Query", "Other"]},
            "Other": {"Type": "AWS::SQS::Queue", "DependsOn": "Query"},
        },
        Outputs={
            "ByRef": {"Value": {"Ref": "Query"}},
            "ByAttribute": {"Value": {"Fn::GetAtt": ["Query", "Id"]}},
            "BySubstitution": {"Value": {"Fn::Sub": "x-${Query.Id}"}},
            "Kept": {"Value": {"Fn::Sub": "x-${Queue}"}},
        },
    )
    assert set(result.body["Resources"]) == {"Queue", "Other"}
    assert result.body["Resources"]["Queue"]["DependsOn"] == ["Other"]
    assert "DependsOn" not in result.body["Resources"]["Other"]
    assert set(result.body["Outputs"]) == {"Kept"}
