"""What must hold of everything that is deployed."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from push import settings
from push.backoff import backoff_seconds
from push.settings import BUILT_IN_COMPUTES, Settings, fields_of
from push.topics.fanning_out import LEFT_MS
from tests.patience import PATIENCE_SECONDS

Template = dict[str, Any]
Resource = dict[str, Any]

CLIENT_ACTIONS = {"$default", "hello", "request", "subscribe", "unsubscribe", "publish", "ping"}
SETTINGS = {
    "ConnectFunction": settings.ConnectSettings,
    "AuthorizerFunction": settings.AuthorizerSettings,
    "HttpFunction": settings.HttpSettings,
    "ResultsFunction": settings.ResultsSettings,
    "RequestFunction": settings.RequestSettings,
    "QueuedRequestFunction": settings.QueuedSettings,
    "ComputeFunction": settings.ComputeSettings,
    "NotifyFunction": settings.NotifySettings,
    "WebhookFunction": settings.WebhookSettings,
    "ChangeFunction": settings.ChangeSettings,
    "TopicsFunction": settings.TopicsSettings,
    "FanOutFunction": settings.FanOutSettings,
}
READ_BY_LIBRARIES = ("POWERTOOLS_", "AWS_ENDPOINT_URL_SECRETS_MANAGER")
MANAGED_POLICIES = {
    "AWSLambdaBasicExecutionRole",  # write logs
    "AWSLambdaVPCAccessExecutionRole",  # network interfaces in the network
    "AWSXrayWriteOnlyAccess",  # traces
}
OPERATIONS = {
    "dynamodb": r"\w*_item\w*|query",
    "s3": r"\w+_objects?\w*",
    "secretsmanager": r"get_secret_value",
    "sns": r"publish",
    "sqs": r"(send|change)_message\w*",
}
CALLED_BY_EVENT_SOURCES = {
    *(f"sqs:{call}" for call in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")),
    *(f"dynamodb:{call}" for call in ("ListStreams", "DescribeStream", "GetShardIterator", "GetRecords")),
}


LAST_QUEUES = {
    "DeliveryDeadLetterQueue",
    "RequestDeadLetterQueue",
    "WebhookDeadLetterQueue",
    "ChangeDeadLetterQueue",
    "FanOutDeadLetterQueue",
}
"""Where what failed is kept for people: nothing consumes them."""


def of_type(template: Template, kind: str) -> dict[str, Resource]:
    return {name: each for name, each in template["Resources"].items() if each["Type"] == kind}


def functions(template: Template) -> dict[str, Resource]:
    defaults = template["Globals"]["Function"]
    return {
        name: {**defaults, **each["Properties"]}
        for name, each in of_type(template, "AWS::Serverless::Function").items()
    }


def environment(template: Template, function: str) -> set[str]:
    own = template["Resources"][function]["Properties"]["Environment"]["Variables"]
    return set(own) | set(template["Globals"]["Function"]["Environment"]["Variables"])


def statements(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement that allows a function something, with the function's name."""
    for name, each in of_type(template, "AWS::Serverless::Function").items():
        for policy in each["Properties"].get("Policies", []):
            yield from ((name, statement) for statement in policy["Statement"])
    for policy in template["Resources"]["ComputeFunctionRole"]["Properties"]["Policies"]:
        yield from (("ComputeFunction", statement) for statement in policy["PolicyDocument"]["Statement"])


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def actions(template: Template, function: str = "") -> set[str]:
    allowed = [each for name, each in statements(template) if not function or name == function]
    return {action for statement in allowed for action in as_list(statement["Action"])}


@pytest.mark.slow
def test_what_sam_makes_of_the_template_is_valid_too(translated: Template, tmp_path: Path) -> None:
    """cfn-lint takes any name that begins like a SAM resource for one that SAM will make; only here is that seen."""
    path = tmp_path / "translated.json"
    path.write_text(json.dumps(translated))
    linter = Path(sys.executable).with_name("cfn-lint")
    ended = subprocess.run([linter, path], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert ended.returncode == 0, ended.stdout


# ---------------------------------------------------------------- routes


def routes(translated: Template) -> dict[str, str]:
    """Route keys of the WebSocket API, by logical id."""
    return {
        name: each["Properties"]["RouteKey"]
        for name, each in of_type(translated, "AWS::ApiGatewayV2::Route").items()
        if each["Properties"]["ApiId"] == {"Ref": "WebSocketApi"}
    }


def test_the_websocket_api_has_a_route_for_every_action(translated: Template) -> None:
    assert set(routes(translated).values()) == CLIENT_ACTIONS | {"$connect", "$disconnect"}


def test_every_route_that_answers_selects_a_response_and_declares_it(translated: Template) -> None:
    declared = {
        each["Properties"]["RouteId"]["Ref"]: each["Properties"]["RouteResponseKey"]
        for each in of_type(translated, "AWS::ApiGatewayV2::RouteResponse").values()
    }
    for name, key in routes(translated).items():
        selects = translated["Resources"][name]["Properties"].get("RouteResponseSelectionExpression")
        expected = "$default" if key in CLIENT_ACTIONS else None
        assert (key, selects, declared.get(name)) == (key, expected, expected)


def test_only_connect_is_authorized_and_always_is(translated: Template) -> None:
    for name, key in routes(translated).items():
        kind = translated["Resources"][name]["Properties"].get("AuthorizationType", "NONE")
        assert kind == ("CUSTOM" if key == "$connect" else "NONE"), key


def test_the_authorizer_is_asked_however_the_credential_comes(translated: Template) -> None:
    (authorizer,) = of_type(translated, "AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["Properties"]["AuthorizerType"] == "REQUEST"
    assert authorizer["Properties"]["IdentitySource"] == []


def test_ping_is_answered_without_a_function(template: Template) -> None:
    resources = template["Resources"]
    assert resources["PingIntegration"]["Properties"]["IntegrationType"] == "MOCK"
    answer = resources["PingIntegrationResponse"]["Properties"]["ResponseTemplates"]["$default"]
    assert json.loads(answer) == {"type": "pong"}


def test_access_logs_hold_no_credential(translated: Template) -> None:
    for stage in of_type(translated, "AWS::ApiGatewayV2::Stage").values():
        logged = json.loads(stage["Properties"]["AccessLogSettings"]["Format"])
        assert not [value for value in logged.values() if re.search(r"header|query|body|token|protocol$", value)]


def test_every_stage_is_throttled(translated: Template) -> None:
    stages = of_type(translated, "AWS::ApiGatewayV2::Stage")
    assert len(stages) == 2
    for stage in stages.values():
        assert {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= set(stage["Properties"]["DefaultRouteSettings"])


# ---------------------------------------------------------------- functions


@pytest.mark.parametrize("function", SETTINGS)
def test_every_variable_of_a_function_is_a_setting_of_it(template: Template, function: str) -> None:
    given = {name for name in environment(template, function) if not name.startswith(READ_BY_LIBRARIES)}
    assert given <= {field.name.upper() for field in fields_of(SETTINGS[function])}


@pytest.mark.parametrize("function", SETTINGS)
def test_a_function_is_given_every_setting_that_has_no_default(template: Template, function: str) -> None:
    needed = {field.name.upper() for field in fields_of(SETTINGS[function]) if field.default is dataclasses.MISSING}
    assert needed <= environment(template, function)


def test_every_setting_is_documented_and_nothing_else_is(root: Path) -> None:
    kinds = [each for _, each in inspect.getmembers(settings, inspect.isclass) if issubclass(each, Settings)]
    declared = {field.name.upper() for kind in kinds for field in fields_of(kind)}
    documented = set(re.findall(r"^### ([A-Z0-9_]+)$", (root / "docs" / "settings.md").read_text(), re.MULTILINE))
    assert documented == declared


def test_the_built_in_computes_are_on_offer_by_default(template: Template) -> None:
    assert template["Parameters"]["ComputeModules"]["Default"] == BUILT_IN_COMPUTES
    assert template["Parameters"]["AllowSynthetic"]["Default"] == "false"


def test_every_function_writes_to_a_log_group_that_expires(template: Template) -> None:
    groups = of_type(template, "AWS::Logs::LogGroup")
    used = [each["LoggingConfig"]["LogGroup"]["Ref"] for each in functions(template).values()]
    assert len(set(used)) == len(used)
    assert set(used) <= set(groups)
    for name, group in groups.items():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name


def test_every_function_is_traced_and_runs_on_arm64_with_a_current_python(template: Template) -> None:
    for name, each in functions(template).items():
        assert (each["Tracing"], each["Architectures"], each["Runtime"]) == ("Active", ["arm64"], "python3.13"), name


def test_functions_behind_the_gateway_end_before_it_gives_up(template: Template) -> None:
    """Integrations of a WebSocket API time out after 29 s, which can't be raised (API Gateway quotas)."""
    behind = ("Connect", "Authorizer", "Request", "Http", "Results", "Topics")
    for name in (f"{each}Function" for each in behind):
        assert functions(template)[name]["Timeout"] < 29


def test_only_functions_that_use_the_cache_are_in_the_network(template: Template) -> None:
    inside = {name for name, each in functions(template).items() if "VpcConfig" in each}
    assert inside == {name for name in SETTINGS if "CACHE_URL" in environment(template, name)}


# ---------------------------------------------------------------- what functions may do


def test_no_function_may_do_everything_of_anything(template: Template) -> None:
    for function, statement in statements(template):
        for action in as_list(statement["Action"]):
            assert "*" not in action, function
        for resource in as_list(statement["Resource"]):
            assert resource != "*", function
            text = resource if isinstance(resource, str) else json.dumps(resource)
            assert not re.search(r":\*|table/\*|\*/", text), function


def test_managed_policies_are_only_those_for_logs_traces_and_the_network(translated: Template) -> None:
    for name, role in of_type(translated, "AWS::IAM::Role").items():
        if name == "GatewayAccountRole":
            continue
        attached = set(re.findall(r"policy/(?:[\w-]+/)*(\w+)", json.dumps(role["Properties"]["ManagedPolicyArns"])))
        assert attached, name
        assert attached <= MANAGED_POLICIES, name


def test_only_what_pushes_may_use_connections_and_only_to_post(template: Template) -> None:
    pushing = {name for name, each in statements(template) if each["Action"] == "execute-api:ManageConnections"}
    assert pushing == {"ComputeFunction", "NotifyFunction", "FanOutFunction"}
    for _, statement in statements(template):
        if statement["Action"] == "execute-api:ManageConnections":
            assert statement["Resource"]["Fn::Sub"].endswith("${WebSocketApi}/v1/POST/@connections/*")


OF_APPLICATIONS = ("dynamodb/tables.py", "s3/buckets.py")
"""The readers of an application's own tables and buckets, which its own policies permit."""


def calls_of_aws(root: Path) -> set[str]:
    """Every operation that the code calls on a boto3 client, as the name of the action it needs."""
    paths = set((root / "src").rglob("*.py")) - {root / "src" / "push" / "adapters" / each for each in OF_APPLICATIONS}
    source = "\n".join(path.read_text() for path in paths)
    called = set(re.findall(r"client\w*\.([a-z_0-9]+)\(", source))
    called |= set(re.findall(r"get_paginator\(\"([a-z_0-9]+)\"\)", source))
    return {
        f"{service}:{''.join(part.capitalize() for part in call.removesuffix('_batch').split('_'))}"
        for call in called
        for service, pattern in OPERATIONS.items()
        if re.fullmatch(pattern, call)
    }


def test_what_the_code_calls_is_allowed_and_nothing_else(template: Template, root: Path) -> None:
    by_other_means = {
        "execute-api:ManageConnections",  # `post_to_connection`, and the lean client
        "s3:ListBucket",  # called by nobody: without it S3 answers 403 for an absent key, not 404
    }
    assert actions(template) == calls_of_aws(root) | CALLED_BY_EVENT_SOURCES | by_other_means


# ---------------------------------------------------------------- queues


def mappings_of(template: Template, service: str) -> dict[str, Resource]:
    """Properties of the mappings of queues or of streams, by the logical id of the queue or the table."""
    attribute = {"sqs": "Arn", "dynamodb": "StreamArn"}[service]
    mappings = [each["Properties"] for each in of_type(template, "AWS::Lambda::EventSourceMapping").values()]
    sources = [(each["EventSourceArn"]["Fn::GetAtt"], each) for each in mappings]
    return {name: each for (name, kind), each in sources if kind == attribute}


def test_every_consumer_reports_partial_failures(template: Template) -> None:
    for mapping in of_type(template, "AWS::Lambda::EventSourceMapping").values():
        assert mapping["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_every_queue_that_is_not_the_last_is_consumed_in_bounded_concurrency(template: Template) -> None:
    mappings = mappings_of(template, "sqs")
    assert set(mappings) == set(of_type(template, "AWS::SQS::Queue")) - LAST_QUEUES
    assert all("MaximumConcurrency" in mapping["ScalingConfig"] for mapping in mappings.values())


def test_every_stream_is_consumed_and_no_record_holds_it_up_for_long(template: Template) -> None:
    tables = {
        name
        for name, table in of_type(template, "AWS::DynamoDB::Table").items()
        if "StreamSpecification" in table["Properties"]
    }
    mappings = mappings_of(template, "dynamodb")
    assert set(mappings) == tables
    for mapping in mappings.values():
        assert mapping["BisectBatchOnFunctionError"] is True
        assert 0 < mapping["MaximumRetryAttempts"] <= 100
        assert 60 <= mapping["MaximumRecordAgeInSeconds"] <= 3600
        assert mapping["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0] in LAST_QUEUES


def test_messages_stay_hidden_for_six_times_the_consumers_timeout(template: Template) -> None:
    """As "Creating and configuring an Amazon SQS event source mapping" (Lambda Developer Guide) advises."""
    for name, mapping in mappings_of(template, "sqs").items():
        consumer = functions(template)[mapping["FunctionName"]["Ref"]]
        if name != "FanOutQueue":
            assert template["Resources"][name]["Properties"]["VisibilityTimeout"] >= 6 * consumer["Timeout"]


def test_what_fails_for_a_quarter_of_an_hour_does_not_end_with_the_dead_letters(template: Template) -> None:
    """Failed messages come back after a backoff with full jitter. Those of computes end soon: somebody waits."""
    for name in mappings_of(template, "sqs").keys() - {"ComputeQueue"}:
        receives = template["Resources"][name]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
        mean_seconds = sum(backoff_seconds(count, 0.5) for count in range(1, receives))
        assert mean_seconds > 15 * 60, name


def test_what_a_fan_out_worker_died_with_comes_back_soon(template: Template) -> None:
    """Once the worker's time is over (Lambda demands it) and those it noted as lagging have been so for a while."""
    hidden_seconds = template["Resources"]["FanOutQueue"]["Properties"]["VisibilityTimeout"]
    assert functions(template)["FanOutFunction"]["Timeout"] + LEFT_MS / 1000 <= hidden_seconds <= 30


def test_every_queue_is_encrypted_and_every_consumed_one_has_a_dead_letter_queue(template: Template) -> None:
    queues = of_type(template, "AWS::SQS::Queue")
    for name, queue in queues.items():
        assert queue["Properties"]["SqsManagedSseEnabled"] is True, name
        if name not in LAST_QUEUES:
            dead = queue["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
            assert queues[dead]["Properties"]["MessageRetentionPeriod"] == 14 * 86400, name


def test_every_queue_has_one_policy(template: Template) -> None:
    """A second policy of a queue would replace the first."""
    policies = of_type(template, "AWS::SQS::QueuePolicy").values()
    queues = [queue["Ref"] for policy in policies for queue in policy["Properties"]["Queues"]]
    assert sorted(queues) == sorted(of_type(template, "AWS::SQS::Queue"))


def test_what_is_given_up_raises_an_alarm(template: Template) -> None:
    watched = {
        json.dumps(alarm["Properties"]["Dimensions"])
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"]["MetricName"] == "ApproximateNumberOfMessagesVisible"
    }
    for queue in LAST_QUEUES:
        assert any(f'"{queue}"' in dimensions for dimensions in watched), queue


def test_only_the_bucket_of_this_account_may_tell_of_changes(template: Template) -> None:
    bucket = template["Resources"]["StorageBucket"]
    statements = template["Resources"]["ChangeQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    (allowed,) = [each for each in statements if each["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "s3.amazonaws.com"}
    assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    source, name = allowed["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"]
    assert [source.removeprefix("arn:${AWS::Partition}:s3:::"), name] == bucket["Properties"]["BucketName"]["Fn::Sub"]
    assert bucket["DependsOn"] == "ChangeQueuePolicy"  # S3 tries the queue when the bucket is made


def test_documents_that_are_written_or_removed_are_told_of(template: Template) -> None:
    configuration = template["Resources"]["StorageBucket"]["Properties"]["NotificationConfiguration"]
    told = {each["Event"] for each in configuration["QueueConfigurations"]}
    assert told == {"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}


# ---------------------------------------------------------------- tables, objects, cache


def test_every_table_is_encrypted_recoverable_and_billed_by_use(template: Template) -> None:
    for name, table in of_type(template, "AWS::DynamoDB::Table").items():
        properties = table["Properties"]
        assert properties["BillingMode"] == "PAY_PER_REQUEST", name
        assert properties["SSESpecification"]["SSEEnabled"] is True, name
        assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True, name


def test_a_table_either_expires_its_rows_or_outlives_the_stack(template: Template) -> None:
    for name, table in of_type(template, "AWS::DynamoDB::Table").items():
        expires = table["Properties"].get("TimeToLiveSpecification", {}).get("Enabled", False)
        assert expires != (table.get("DeletionPolicy") == "Retain"), name


@pytest.mark.parametrize("table", ["DocumentsTable", "ScoresTable"])
def test_sources_stream_their_changes(template: Template, table: str) -> None:
    stream = template["Resources"][table]["Properties"]["StreamSpecification"]
    assert stream == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_the_bucket_is_private_encrypted_and_tidies_up(template: Template) -> None:
    properties = template["Resources"]["StorageBucket"]["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert "BucketEncryption" in properties
    rules = properties["LifecycleConfiguration"]["Rules"]
    assert [rule for rule in rules if rule.get("Prefix") == "payloads/" and "ExpirationInDays" in rule]
    assert [rule for rule in rules if "AbortIncompleteMultipartUpload" in rule]


@pytest.mark.parametrize("policy", ["StorageBucketPolicy", "QueuesPolicy", "ChangeQueuePolicy"])
def test_what_is_stored_is_reached_by_tls_only(template: Template, policy: str) -> None:
    statement, *_ = template["Resources"][policy]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_network_is_made_only_where_the_cache_is(template: Template) -> None:
    for name, each in template["Resources"].items():
        if each["Type"].startswith(("AWS::EC2::", "AWS::ElastiCache::")):
            assert each["Condition"] in {"MakeCache", "MakeNat"}, name


NAT = {
    "PublicSubnet",
    "InternetGateway",
    "InternetGatewayAttachment",
    "PublicRouteTable",
    "PublicSubnetRoutes",
    "PublicRoute",
    "NatAddress",
    "Nat",
    "NatRoute",
}
"""What leads to IPv4 addresses, and costs."""


@pytest.mark.parametrize(
    ("cache_url", "nat_gateway", "made"),
    [("", "off", set()), ("", "on", NAT), ("redis://host:6379", "off", set()), ("redis://host:6379", "on", set())],
)
def test_a_nat_gateway_is_made_only_if_it_is_wanted_in_the_created_network(
    template: Template, cache_url: str, nat_gateway: str, made: set[str]
) -> None:
    parameters = {"CacheUrl": cache_url, "NatGateway": nat_gateway}
    network = {name: each for name, each in template["Resources"].items() if each["Type"].startswith("AWS::EC2::")}
    conditional = {name: each for name, each in network.items() if each["Condition"] != "MakeCache"}
    found = {name for name, each in conditional.items() if holds(template, each["Condition"], parameters)}
    assert found == made


def holds(template: Template, condition: Any, parameters: dict[str, str]) -> bool:
    """Evaluate a condition over parameters that are plain texts."""

    def text(operand: Any) -> str:
        return parameters[operand["Ref"]] if isinstance(operand, dict) else str(operand)

    match condition:
        case str() as name:
            return holds(template, template["Conditions"][name], parameters)
        case {"Condition": str() as name}:
            return holds(template, name, parameters)
        case {"Fn::And": parts}:
            return all(holds(template, part, parameters) for part in parts)
        case {"Fn::Not": [part]}:
            return not holds(template, part, parameters)
        case {"Fn::Equals": [left, right]}:
            return text(left) == text(right)
        case _:
            raise NotImplementedError(condition)


def test_a_nat_gateway_beside_a_cache_of_ones_own_is_refused(template: Template) -> None:
    rule = template["Rules"]["NatGatewayGoesWithTheCreatedNetwork"]
    (assertion,) = rule["Assertions"]

    def passes(cache_url: str, nat_gateway: str) -> bool:
        parameters = {"CacheUrl": cache_url, "NatGateway": nat_gateway}
        applies = holds(template, rule["RuleCondition"], parameters)
        return not applies or holds(template, assertion["Assert"], parameters)

    assert not passes("redis://host:6379", "on")
    assert passes("redis://host:6379", "off")
    assert passes("", "on")


def test_private_subnets_reach_ipv4_addresses_through_the_nat_gateway_and_it_the_internet(template: Template) -> None:
    resources = {name: each.get("Properties", {}) for name, each in template["Resources"].items()}
    assert resources["NatRoute"] == {
        "RouteTableId": {"Ref": "PrivateRouteTable"},
        "DestinationCidrBlock": "0.0.0.0/0",
        "NatGatewayId": {"Ref": "Nat"},
    }
    assert resources["Nat"]["SubnetId"] == {"Ref": "PublicSubnet"}
    assert resources["PublicSubnetRoutes"]["RouteTableId"] == resources["PublicRoute"]["RouteTableId"]
    assert resources["PublicRoute"]["GatewayId"] == {"Ref": "InternetGateway"}


def test_every_permitted_network_has_room_for_the_subnets(template: Template) -> None:
    pattern = template["Parameters"]["VpcCidr"]["AllowedPattern"]
    sizes = [size for size in range(33) if re.fullmatch(pattern, f"10.91.0.0/{size}")]
    cidrs = [each["Properties"]["CidrBlock"]["Fn::Select"] for each in of_type(template, "AWS::EC2::Subnet").values()]
    indexes, host_bits = zip(*((index, cidr["Fn::Cidr"][2]) for index, cidr in cidrs), strict=True)
    assert sorted(indexes) == [0, 1, 2]
    assert set(host_bits) == {7}
    assert 2 ** (32 - max(sizes)) >= len(cidrs) * 2**7


def test_the_token_secret_is_long_enough_for_hs256(template: Template) -> None:
    """RFC 7518, section 3.2: a key of the size of the hash output, 32 bytes, or larger."""
    assert template["Resources"]["TokenSecret"]["Properties"]["GenerateSecretString"]["PasswordLength"] >= 32


# ---------------------------------------------------------------- parameters


def test_every_parameter_and_output_is_described(template: Template) -> None:
    for kind in ("Parameters", "Outputs"):
        for name, each in template[kind].items():
            assert each.get("Description"), name


def test_the_guided_deployment_can_be_answered_by_return_alone(template: Template) -> None:
    """`sam deploy --guided` offers no default for a hidden parameter, and asks again until it is given something."""
    for name, each in template["Parameters"].items():
        assert "Default" in each, name
        assert not each.get("NoEcho"), name


def test_every_parameter_is_explained_in_the_deployment_page(template: Template, root: Path) -> None:
    page = (root / "docs" / "deploy.md").read_text()
    assert not [name for name in template["Parameters"] if f"`{name}`" not in page]
