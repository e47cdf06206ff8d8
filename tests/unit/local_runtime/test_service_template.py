"""Pushaside's template gets what brings the changes of an application's sources to it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.application.build_command import write_build
from local.application.declaration import read_application
from local.application.own_template import OwnTemplate, read_own_template
from local.application.program import choose_program
from local.deploying.sam_template import read_template
from local.options import Options
from pushaside_service import TEMPLATE
from tests.patience import PATIENCE_SECONDS

EVERYTHING = Path(__file__).parents[2] / "applications" / "everything"
BASE = read_template(TEMPLATE)

Template = dict[str, Any]


@pytest.fixture(scope="module")
def own() -> OwnTemplate:
    """An application with sources of every kind, its own ones and others."""
    return read_own_template(read_application(EVERYTHING))


@pytest.fixture(scope="module")
def template(own: OwnTemplate) -> Template:
    return own.extend(BASE)


def properties(template: Template, name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def statements(template: Template) -> list[dict[str, Any]]:
    """The permissions of the function that takes changes."""
    policies = properties(template, "ChangeFunction")["Policies"]
    return [statement for policy in policies for statement in policy["Statement"]]


def senders(template: Template) -> dict[str, Any]:
    """Who may send to the queue of changes, by service."""
    document = properties(template, "ChangeQueuePolicy")["PolicyDocument"]
    return {
        each["Principal"]["Service"]: each["Condition"]["ArnEquals"]["aws:SourceArn"]
        for each in document["Statement"]
        if each["Effect"] == "Allow"
    }


def setting(template: Template, function: str = "ChangeFunction") -> Any:
    """The setting SOURCES, with the names of parameters in their places."""
    value = properties(template, function)["Environment"]["Variables"]["SOURCES"]["Fn::Sub"]
    return json.loads(value if isinstance(value, str) else value[0])


# Parameters


def test_each_source_is_a_parameter_with_a_default_if_it_exists_elsewhere(template: Template) -> None:
    added = {
        name: each.get("Default") for name, each in template["Parameters"].items() if name not in BASE["Parameters"]
    }
    assert added == {
        "OrdersTable": None,
        "OrdersStream": None,
        "CustomersTable": "crm-customers",
        "CustomersStream": (
            "arn:aws:dynamodb:us-east-1:123456789012:table/crm-customers/stream/2026-01-01T00:00:00.000"
        ),
        "CountriesTable": "geo-countries",
        "ReportsBucket": None,
        "ScansBucket": "crm-scans",
        "ledgerStream": None,
        "rowsStream": "arn:aws:kinesis:us-east-1:123456789012:stream/crm-rows",
        "ratesBus": None,
        "tillsBus": "arn:aws:events:us-east-1:123456789012:event-bus/tills",
        "dealsTopic": None,
        "recallsTopic": "arn:aws:sns:us-east-1:123456789012:recalls",
    }


def test_an_application_without_sources_leaves_the_template_as_it_is(tmp_path: Path) -> None:
    shutil.copytree(EVERYTHING.parents[2] / "examples" / "weather", tmp_path / "weather")
    assert read_own_template(read_application(tmp_path / "weather")).extend(BASE) == BASE


# Streams


@pytest.mark.parametrize("name", ["Orders", "Customers", "ledger", "rows"])
def test_a_stream_is_read_as_those_of_pushasides_own_tables(template: Template, name: str) -> None:
    mapping = properties(template, f"{name}Changes")
    assert mapping == properties(template, "DocumentChangeEvents") | {"EventSourceArn": {"Ref": f"{name}Stream"}}


def test_a_table_whose_stream_is_not_known_is_not_followed(template: Template) -> None:
    assert "CountriesChanges" not in template["Resources"]
    assert "CountriesStream" not in template["Parameters"]


def test_the_function_of_changes_may_read_each_stream(template: Template) -> None:
    allowed = {json.dumps(each["Resource"]): set(each["Action"]) for each in statements(template)}
    table_reads = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}
    for name in ("OrdersStream", "CustomersStream"):
        assert allowed[json.dumps({"Ref": name})] == table_reads
    for name in ("ledgerStream", "rowsStream"):
        assert {"kinesis:GetRecords", "kinesis:ListShards"} < allowed[json.dumps({"Ref": name})]
    assert allowed['"*"'] == {"kinesis:ListStreams"}


# Rules of EventBridge


@pytest.mark.parametrize("name", ["Reports", "Scans"])
def test_the_events_of_a_bucket_go_to_the_queue_as_they_are(template: Template, name: str) -> None:
    rule = properties(template, f"{name}Rule")
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created", "Object Deleted"],
        "detail": {"bucket": {"name": [{"Ref": f"{name}Bucket"}]}},
    }
    assert rule["Targets"] == [{"Id": "ChangeQueue", "Arn": {"Fn::GetAtt": ["ChangeQueue", "Arn"]}}]


def test_an_event_goes_to_the_queue_whole_with_the_name_of_its_source(template: Template) -> None:
    rule = properties(template, "pricesRule")
    assert rule["EventPattern"] == {"source": ["shop.prices"], "detail": {"price": [{"numeric": [">", 0]}]}}
    assert "EventBusName" not in rule
    # <aws.events.event> would be the event without its detail.
    assert rule["Targets"][0]["InputTransformer"] == {
        "InputTemplate": '{"pushaside_source": "prices", "event": <aws.events.event.json>}'
    }


@pytest.mark.parametrize("name", ["rates", "tills"])
def test_a_rule_is_on_the_bus_of_its_events(template: Template, name: str) -> None:
    assert properties(template, f"{name}Rule")["EventBusName"] == {"Ref": f"{name}Bus"}


# Who may send to the queue


def test_only_the_rules_the_topics_and_the_bucket_of_pushaside_may_send_to_the_queue(template: Template) -> None:
    allowed = senders(template)
    rules = [f"{name}Rule" for name in ("Reports", "Scans", "prices", "rates", "tills")]
    assert allowed["events.amazonaws.com"] == [{"Fn::GetAtt": [rule, "Arn"]} for rule in rules]
    assert allowed["sns.amazonaws.com"] == [{"Ref": "dealsTopic"}, {"Ref": "recallsTopic"}]
    assert allowed["s3.amazonaws.com"] == senders(BASE)["s3.amazonaws.com"]


def test_a_topic_sends_its_notifications_in_an_envelope_that_names_it(template: Template) -> None:
    subscription = properties(template, "dealsSubscription")
    assert subscription["TopicArn"] == {"Ref": "dealsTopic"}
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("sqs", {"Fn::GetAtt": ["ChangeQueue", "Arn"]})
    assert "RawMessageDelivery" not in subscription


# The setting SOURCES


def test_the_functions_that_compute_and_that_take_changes_know_the_sources(template: Template) -> None:
    assert setting(template) == {
        "tables": {
            "Orders": {"name": "${OrdersTable}", "indexes": {"by-status": ["status", "placed_at"]}},
            "Customers": {"name": "${CustomersTable}", "indexes": {"by-email": ["email"]}},
            "Countries": {"name": "${CountriesTable}"},
        },
        "buckets": {"Reports": {"name": "${ReportsBucket}"}, "Scans": {"name": "${ScansBucket}"}},
        "streams": {
            "ledger": {"name": "${ledgerStreamName}", "format": "json"},
            "rows": {"name": "${rowsStreamName}", "format": "debezium"},
        },
        "events": {"prices": {}, "rates": {}, "tills": {}},
        "notifications": {"deals": {"arn": "${dealsTopic}"}, "recalls": {"arn": "${recallsTopic}"}},
    }
    assert setting(template, "ComputeFunction") == setting(template)


INDEXES = """
        - {IndexName: plain, KeySchema: [{AttributeName: "a${b}", KeyType: HASH}]}
        - {IndexName: !Ref Name, KeySchema: [{AttributeName: a, KeyType: HASH}]}
        - {IndexName: many, KeySchema: [{AttributeName: a, KeyType: HASH}, {AttributeName: b, KeyType: HASH}]}
      LocalSecondaryIndexes:
        - {IndexName: local, KeySchema: [{AttributeName: c, KeyType: HASH}, {AttributeName: d, KeyType: RANGE}]}
"""


def test_an_index_whose_name_or_keys_cannot_be_known_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "everything"
    shutil.copytree(EVERYTHING, folder)
    path = folder / "template.yaml"
    place = "          Projection: {ProjectionType: ALL}\n"
    path.write_text(path.read_text().replace(place, place + INDEXES))
    indexes = setting(read_own_template(read_application(folder)).extend(BASE))["tables"]["Orders"]["indexes"]
    # Fn::Sub writes ${!b} as ${b}.
    assert indexes == {"by-status": ["status", "placed_at"], "plain": ["a${!b}"], "local": ["c", "d"]}


# What is built and what runs


@pytest.mark.slow
def test_what_is_built_is_a_valid_template(tmp_path: Path) -> None:
    folder = tmp_path / "everything"
    shutil.copytree(EVERYTHING, folder)
    write_build(read_own_template(read_application(folder)))
    linter = Path(sys.executable).with_name("cfn-lint")
    built = folder / ".pushaside" / "template.yaml"
    ended = subprocess.run([linter, built], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_what_is_built_is_what_runs_on_one_machine(tmp_path: Path) -> None:
    folder = tmp_path / "dashboard"
    shutil.copytree(EVERYTHING.parents[2] / "examples" / "dashboard", folder)
    write_build(read_own_template(read_application(folder)))
    text = (folder / ".pushaside" / "template.yaml").read_text()
    assert "&id" not in text, "CloudFormation knows no aliases"
    assert read_template(folder / ".pushaside" / "template.yaml") == choose_program(Options(app=folder)).load_template()


# What exists elsewhere


def test_streams_topics_buckets_and_buses_that_exist_elsewhere_have_stand_ins_on_one_machine(own: OwnTemplate) -> None:
    here = own.for_one_machine()
    made = {
        each["Type"]: next(iter(each["Properties"].values()))
        for name, each in here.body["Resources"].items()
        if name not in own.body["Resources"]
    }
    assert made == {
        "AWS::S3::Bucket": "crm-scans",
        "AWS::Kinesis::Stream": "crm-rows",
        "AWS::Events::EventBus": "tills",
        "AWS::SNS::Topic": "recalls",
    }
    assert {"ScansBucket", "rowsStream", "tillsBus", "recallsTopic"} <= set(here.given)


def test_a_table_that_exists_elsewhere_is_not_followed_on_one_machine(own: OwnTemplate) -> None:
    here = own.for_one_machine().extend(BASE)
    assert "CustomersChanges" not in here["Resources"]
    assert here["Parameters"]["CustomersTable"]["Default"] == "crm-customers"


def test_the_stream_of_a_table_elsewhere_may_come_from_the_template(tmp_path: Path) -> None:
    folder = tmp_path / "everything"
    shutil.copytree(EVERYTHING, folder)
    path = folder / "template.yaml"
    path.write_text(path.read_text() + "        CountriesStream: !GetAtt Orders.StreamArn\n")
    own = read_own_template(read_application(folder))
    assert properties(own.extend(BASE), "CountriesChanges")["EventSourceArn"] == {"Ref": "CountriesStream"}
    assert "CountriesChanges" in own.for_one_machine().extend(BASE)["Resources"]
