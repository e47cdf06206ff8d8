"""The CORS configuration of a template reaches the deployed API with every value evaluated."""

from __future__ import annotations

from typing import Any

import pytest

from local.deploying.cors import resolved_cors
from local.deploying.deployable_template import DeployableTemplate, Placeholder, make_deployable
from local.deploying.output_values import OutputReference

NO_VALUE = {"Ref": "AWS::NoValue"}


def deployable(resource_type: str, properties: dict[str, Any], **sections: Any) -> DeployableTemplate:
    resources = {"Api": {"Type": resource_type, "Properties": properties}}
    return make_deployable({"Resources": resources, **sections}, Placeholder("bucket", "key"))


def cors(configuration: Any, resource_type: str = "AWS::ApiGatewayV2::Api") -> dict[str, Any]:
    """Return what is deployed, each value that CloudFormation evaluates as `<...>`."""
    result = deployable(resource_type, {"CorsConfiguration": configuration})
    outputs = {name: f"<{each['Value']}>" for name, each in result.body["Outputs"].items()}
    return resolved_cors(result.cors["Api"], outputs)


WHOLE = {
    "AllowOrigins": ["https://a.example", "https://b.example"],
    "AllowMethods": ["GET", "POST"],
    "AllowHeaders": ["etag"],
    "ExposeHeaders": ["age"],
    "MaxAge": 600,
}


@pytest.mark.parametrize("resource_type", ["AWS::ApiGatewayV2::Api", "AWS::Serverless::HttpApi"])
def test_plain_values_are_taken_as_they_are(resource_type: str) -> None:
    assert cors(WHOLE, resource_type) == WHOLE


@pytest.mark.parametrize(("given", "deployed"), [(True, True), ("true", True), (False, None), (None, None)])
def test_credentials_are_allowed_only_if_it_says_so(given: Any, deployed: bool | None) -> None:
    assert cors({"AllowOrigins": ["https://a.example"], "AllowCredentials": given}).get("AllowCredentials") is deployed


def test_an_intrinsic_function_in_place_of_a_list_is_evaluated_and_split() -> None:
    origins = {"Fn::If": ["Given", {"Fn::Split": [",", {"Ref": "Origins"}]}, ["https://origin.invalid"]]}
    result = deployable("AWS::ApiGatewayV2::Api", {"CorsConfiguration": {"AllowOrigins": origins}})
    reference = result.cors["Api"]["AllowOrigins"]
    assert isinstance(reference, OutputReference)
    assert result.body["Outputs"][reference.output]["Value"] == {"Fn::Join": [",", origins]}
    outputs = {reference.output: "https://a.example,https://b.example"}
    assert resolved_cors(result.cors["Api"], outputs) == {"AllowOrigins": ["https://a.example", "https://b.example"]}


def test_intrinsic_functions_in_a_list_are_evaluated() -> None:
    origins = [{"Fn::Sub": "https://${Domain}"}, "https://b.example"]
    result = deployable("AWS::ApiGatewayV2::Api", {"CorsConfiguration": {"AllowOrigins": origins}})
    (output,) = result.body["Outputs"].values()
    assert output["Value"] == {"Fn::Join": [",", origins]}


def test_a_choice_between_configurations_is_one_between_their_members() -> None:
    chosen = {"Fn::If": ["Open", {"AllowOrigins": ["*"], "MaxAge": 60}, NO_VALUE]}
    result = deployable("AWS::ApiGatewayV2::Api", {"CorsConfiguration": chosen})
    values = {key: result.body["Outputs"][each.output]["Value"] for key, each in result.cors["Api"].items()}
    assert values == {
        "AllowOrigins": {"Fn::Join": [",", {"Fn::If": ["Open", ["*"], []]}]},
        "MaxAge": {"Fn::If": ["Open", 60, ""]},
    }
    assert resolved_cors(result.cors["Api"], dict.fromkeys(result.body["Outputs"], "")) == {}


class TestOfSam:
    def test_true_allows_every_origin(self) -> None:
        assert cors(True, "AWS::Serverless::HttpApi") == {"AllowOrigins": ["*"]}

    def test_an_intrinsic_function_stands_for_the_origins(self) -> None:
        result = deployable("AWS::Serverless::HttpApi", {"CorsConfiguration": {"Ref": "Origins"}})
        (output,) = result.body["Outputs"].values()
        assert output["Value"] == {"Fn::Join": [",", {"Ref": "Origins"}]}

    def test_the_globals_hold_for_apis_that_say_nothing_and_for_the_implicit_one(self) -> None:
        result = deployable(
            "AWS::Serverless::HttpApi", {}, Globals={"HttpApi": {"CorsConfiguration": {"AllowOrigins": ["*"]}}}
        )
        assert {name: resolved_cors(each, {}) for name, each in result.cors.items()} == {
            "Api": {"AllowOrigins": ["*"]},
            "ServerlessHttpApi": {"AllowOrigins": ["*"]},
        }

    def test_an_api_without_a_configuration_has_none(self) -> None:
        assert deployable("AWS::Serverless::HttpApi", {}).cors == {}
