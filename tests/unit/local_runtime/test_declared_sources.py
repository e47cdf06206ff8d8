"""The sources in `pushaside.toml` agree with the application's template, or one sentence says what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.application.declaration import read_application
from local.application.new_command import make_application
from local.application.own_template import read_own_template
from local.errors import CannotStartError

STREAM = "arn:aws:kinesis:eu-west-1:123456789012:stream/rows"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:deals"
TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/crm-customers"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A new application, which has the table Orders."""
    make_application(tmp_path / "shop")
    return tmp_path / "shop"


def declare(shop: Path, lines: str) -> None:
    with (shop / "pushaside.toml").open("a") as file:
        file.write(f"\n{lines}\n")


def add_resource(shop: Path, lines: str) -> None:
    change(shop, "Resources:\n", f"Resources:\n{lines}\n")


def give(shop: Path, line: str) -> None:
    change(shop, "        ComputeModules:", f"        {line}\n        ComputeModules:")


def change(shop: Path, old: str, new: str) -> None:
    path = shop / "template.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def sentence_of(shop: Path) -> str:
    with pytest.raises(CannotStartError) as caught:
        read_own_template(read_application(shop))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def read(shop: Path) -> None:
    read_own_template(read_application(shop))


# pushaside.toml


@pytest.mark.parametrize(
    "lines",
    [
        f'[tables.Customers]\nname = "crm-customers"\nstream = "{TABLE}/stream/2026-01-01T00:00:00.000"',
        f'[tables.Customers]\narn = "{TABLE}"\nindexes = {{by-email = ["email"], by-city = ["city", "name"]}}',
        '[buckets.Files]\nname = "crm-files"',
        f'[streams.rows]\narn = "{STREAM}"\nformat = "dms"',
        '[events.prices]\npattern = {source = ["shop.prices"], detail = {price = [{numeric = [">", 3]}]}}',
        '[events.prices]\npattern = {source = ["shop.prices"]}\nbus = "shop"',
        f'[notifications.deals]\narn = "{TOPIC}"',
    ],
)
def test_what_exists_elsewhere_needs_no_line_in_the_template(shop: Path, lines: str) -> None:
    declare(shop, lines)
    read(shop)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            f'[streams.my-rows]\narn = "{STREAM}"',
            "[streams.my-rows] is not a name of letters and digits, a letter first",
        ),
        (f'[streams.Orders]\narn = "{STREAM}"', "Orders names 2 sources; give each a name of its own."),
        (
            f'[streams.rows]\narn = "{TOPIC}"',
            "which is not the ARN of a Kinesis stream; write the ARN, or remove `arn`.",
        ),
        ('[notifications.deals]\narn = "deals"', "has arn = 'deals', which is not the ARN of an SNS topic"),
        (f'[tables.Customers]\nstream = "{TABLE}"', "which is not the ARN of the stream of a DynamoDB table"),
        ('[tables.Customers]\narn = "crm"', "which is not the ARN of a DynamoDB table"),
        ('[tables.Customers]\nname = "c"\nindexes = {a = []}', "gives the index a 0 attributes; name its partition"),
        ("[events.prices]", "[events.prices] has no `pattern`; write which events it is about, such as pattern ="),
        (
            '[events.prices]\npattern = {detail = {kind = "x"}}',
            'gives kind in `pattern` a value that is not a list; write kind = ["..."].',
        ),
        ('[streams.rows]\nformat = "csv"', "Invalid enum value 'csv'"),
        ('[buckets.Files]\nstream = "x"', "unknown field `stream`"),
        ("[queues.work]", "unknown field `queues`"),
    ],
)
def test_a_source_that_is_declared_wrongly_is_refused(shop: Path, lines: str, sentence: str) -> None:
    declare(shop, lines)
    assert sentence in sentence_of(shop)


# Resources of the template


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            "[tables.Customers]",
            "declares the table Customers, which template.yaml does not have (it has Orders); add it",
        ),
        ("[buckets.Files]", "declares the bucket Files, which template.yaml does not have (it has no bucket); add it"),
        ("[streams.rows]", "(it has no stream); add it there, or set `arn` in [streams.rows]."),
        ("[notifications.deals]", "(it has no topic); add it there, or set `arn` in [notifications.deals]."),
    ],
)
def test_a_resource_that_is_missing_is_named(shop: Path, lines: str, sentence: str) -> None:
    declare(shop, lines)
    assert sentence in sentence_of(shop)


@pytest.mark.parametrize(
    ("written", "has"),
    [("", "no stream"), ("StreamSpecification: {StreamViewType: KEYS_ONLY}", "the StreamViewType KEYS_ONLY")],
)
def test_a_table_must_tell_of_its_changes_in_full(shop: Path, written: str, has: str) -> None:
    change(shop, "StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}", written)
    sentence = sentence_of(shop)
    assert f"gives the table Orders {has}, so its changes are not known in full" in sentence
    assert "write `StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}`" in sentence


def test_a_table_that_can_have_no_stream_is_refused(shop: Path) -> None:
    change(shop, "Type: AWS::DynamoDB::Table", "Type: AWS::Serverless::SimpleTable")
    assert sentence_of(shop).endswith("use AWS::DynamoDB::Table.")


def test_what_cloudformation_computes_is_left_to_it(shop: Path) -> None:
    change(shop, "StreamViewType: NEW_AND_OLD_IMAGES", "StreamViewType: !Ref View")
    read(shop)


def test_a_bucket_must_tell_eventbridge(shop: Path) -> None:
    declare(shop, "[buckets.Files]")
    add_resource(shop, "  Files:\n    Type: AWS::S3::Bucket")
    give(shop, "FilesBucket: !Ref Files")
    remedy = "write `NotificationConfiguration: {EventBridgeConfiguration: {EventBridgeEnabled: true}}`"
    assert remedy in sentence_of(shop)


@pytest.mark.parametrize(
    "configuration",
    [
        "{EventBridgeConfiguration: {EventBridgeEnabled: true}}",
        '{EventBridgeConfiguration: {EventBridgeEnabled: "true"}}',
        "{EventBridgeConfiguration: {EventBridgeEnabled: !Ref IsTold}}",
        "!If [IsTold, {EventBridgeConfiguration: {}}, !Ref AWS::NoValue]",
    ],
)
def test_a_bucket_that_tells_eventbridge_is_sound(shop: Path, configuration: str) -> None:
    declare(shop, "[buckets.Files]")
    properties = f"Properties: {{NotificationConfiguration: {configuration}}}"
    add_resource(shop, f"  Files:\n    Type: AWS::S3::Bucket\n    {properties}")
    give(shop, "FilesBucket: !Ref Files")
    read(shop)


# Parameters of Pushaside


def test_a_source_that_the_template_does_not_give_is_named_with_the_lines_to_write(shop: Path) -> None:
    change(shop, "        OrdersTable: !Ref Orders\n        OrdersStream: !GetAtt Orders.StreamArn\n", "")
    assert sentence_of(shop) == (
        f"{shop / 'template.yaml'} does not give Pushaside every declared source; write `OrdersTable: !Ref Orders` and "
        "`OrdersStream: !GetAtt Orders.StreamArn` among the Parameters of the nested application."
    )


def test_the_parameter_of_earlier_versions_is_refused_with_the_lines_to_write(shop: Path) -> None:
    give(shop, "Sources: '{}'")
    assert sentence_of(shop) == (
        f"{shop / 'template.yaml'} gives Pushaside the parameter Sources, which it no longer has; remove it, and write "
        "`OrdersTable: !Ref Orders` and `OrdersStream: !GetAtt Orders.StreamArn` in its place."
    )


def test_a_reference_to_something_else_is_refused(shop: Path) -> None:
    change(shop, "OrdersStream: !GetAtt Orders.StreamArn", "OrdersStream: !GetAtt Orders.Arn")
    assert sentence_of(shop).endswith(
        "another OrdersStream than the declared source; write `OrdersStream: !GetAtt Orders.StreamArn`."
    )


def test_the_long_form_of_a_reference_is_the_same(shop: Path) -> None:
    change(shop, "OrdersStream: !GetAtt Orders.StreamArn", "OrdersStream: {Fn::GetAtt: Orders.StreamArn}")
    read(shop)


def test_streams_topics_and_buses_of_the_template_are_given_too(shop: Path) -> None:
    add_resource(
        shop,
        "  rows:\n    Type: AWS::Kinesis::Stream\n  deals:\n    Type: AWS::SNS::Topic\n"
        "  Bus:\n    Type: AWS::Events::EventBus\n    Properties: {Name: shop}",
    )
    declare(shop, '[streams.rows]\n[notifications.deals]\n[events.prices]\npattern = {source = ["a"]}\nbus = "Bus"')
    assert "`rowsStream: !GetAtt rows.Arn`, `pricesBus: !Ref Bus` and `dealsTopic: !Ref deals`" in sentence_of(shop)
    for line in ("rowsStream: !GetAtt rows.Arn", "pricesBus: !Ref Bus", "dealsTopic: !Ref deals"):
        give(shop, line)
    read(shop)


def test_a_name_that_pushaside_has_itself_is_refused(shop: Path) -> None:
    declare(shop, '[tables.Documents]\nname = "papers"')
    assert "needs the name DocumentsTable, which Pushaside's template has already" in sentence_of(shop)
