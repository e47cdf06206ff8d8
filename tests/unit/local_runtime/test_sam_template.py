"""A template is read into CloudFormation's JSON form."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.deploying.sam_template import load_template
from local.errors import CannotStartError

API = "  Api: {Type: AWS::Serverless::WebSocketApi}\n"


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return tmp_path / "template.yaml"


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("!Ref Queue", {"Ref": "Queue"}),
        ("!GetAtt Queue.Arn", {"Fn::GetAtt": ["Queue", "Arn"]}),
        ("!GetAtt [Queue, Arn]", {"Fn::GetAtt": ["Queue", "Arn"]}),
        ("!Sub 'a-${Queue}'", {"Fn::Sub": "a-${Queue}"}),
        ("!If [Yes1, !Ref A, !Ref AWS::NoValue]", {"Fn::If": ["Yes1", {"Ref": "A"}, {"Ref": "AWS::NoValue"}]}),
        ("!Condition Yes1", {"Condition": "Yes1"}),
        ("!Transform {Name: Include}", {"Fn::Transform": {"Name": "Include"}}),
    ],
)
def test_short_function_tags_become_their_long_form(template: Path, short: str, long: object) -> None:
    template.write_text(f"Resources:\n{API}Outputs:\n  Value: {short}\n")
    assert load_template(template)["Outputs"]["Value"] == long


def test_a_version_is_not_taken_for_a_date(template: Path) -> None:
    template.write_text(f"AWSTemplateFormatVersion: 2010-09-09\nResources:\n{API}")
    assert load_template(template)["AWSTemplateFormatVersion"] == "2010-09-09"


def test_json_is_read_too(template: Path) -> None:
    template.write_text('{"Resources": {"Api": {"Type": "AWS::Serverless::WebSocketApi"}}}')
    assert set(load_template(template)["Resources"]) == {"Api"}


def test_a_websocket_api_may_be_a_raw_resource(template: Path) -> None:
    template.write_text("Resources: {Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: WEBSOCKET}}}")
    assert load_template(template)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Resources: [", "is not YAML"),
        ("", "has no Resources"),
        ("Resources: {A: 1}", "has no Resources"),
        ("Resources: {Api: {Type: AWS::ApiGatewayV2::Api, Properties: {ProtocolType: HTTP}}}", "no WebSocket API"),
        (f"Resources:\n{API}{API.replace('Api:', 'Other:')}", "has 2 WebSocket APIs"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(template: Path, text: str, sentence: str) -> None:
    template.write_text(text)
    with pytest.raises(CannotStartError, match=sentence) as caught:
        load_template(template)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_folder_is_not_a_template(tmp_path: Path) -> None:
    with pytest.raises(CannotStartError, match="cannot be read"):
        load_template(tmp_path)
