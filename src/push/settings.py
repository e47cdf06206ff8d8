"""Settings of each function, read from environment variables.

A field has the name of its variable in `template.yaml`, in lower case. The core reads no environment: entry points pass
`os.environ` to `read_settings` once per execution environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, Literal, Self, TypeVar, dataclass_transform

import msgspec

from push.errors import SettingsError

BUILT_IN_COMPUTES = "compute.documents,compute.leaderboard"
SYNTHETIC_COMPUTE = "compute.synthetic"


@dataclass_transform(kw_only_default=True, frozen_default=True)
@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all settings; each field is the environment variable of that name in upper case.

    A class becomes a dataclass once it is used. A function uses few of these classes, and making all of them took a
    quarter of the authorizer's cold start.
    """

    aws_clients: Literal["lean", "boto3"] = "lean"

    def __new__(cls, **_given: object) -> Self:
        """Make an object, which needs the fields of its class."""
        fields_of(cls)
        return super().__new__(cls)


class TokenSettings(Settings):
    """Settings that verify tokens."""

    auth_mode: Literal["jwt", "none"] = "jwt"
    token_secret_arn: str = ""
    jwks_url: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""
    tenant_claim: str = "tenant"
    principal_claim: str = "sub"
    fixed_tenant: str = ""
    forwarded_claims: str = ""


class AuthorizerSettings(TokenSettings):
    """Settings of the authorizer: allowed origins and the table of tickets."""

    allowed_origins: str = ""
    tickets_table: str

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins that browsers may connect from; `*` means any."""
        return split_list(self.allowed_origins)


class TopicSettings(Settings):
    """The table of subscriptions, the fan-out queue, and the namespaces of topics if they are not those that ship."""

    subscriptions_table: str
    fan_out_queue_url: str
    topics: str = ""


class ConnectSettings(TopicSettings):
    """Settings of the functions that record connections."""

    connections_table: str


class OfferSettings(Settings):
    """The computes on offer; the same for every function that receives their names."""

    compute_modules: str = BUILT_IN_COMPUTES
    compute_environment: str = ""
    allow_synthetic: bool = False

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules that declare the computes on offer."""
        return offered_modules(self.compute_modules, allow_synthetic=self.allow_synthetic)


class CacheSettings(Settings):
    """The URL of Redis, and how long to wait for it (milliseconds)."""

    cache_url: str
    cache_connect_timeout_ms: int = 200
    cache_timeout_ms: int = 100


class RaisedTagSettings(Settings):
    """Settings of `POST /changes`: the queue of changes, and the claim of a token that grants the right."""

    change_queue_url: str
    change_claim: str = "changes"


class HttpSettings(AuthorizerSettings, OfferSettings, RaisedTagSettings):
    """Settings of the HTTP API: durable requests, their results, tickets, and changed tags."""

    request_queue_url: str
    requests_table: str
    webhooks_table: str
    storage_bucket: str
    webhook_secret_arn: str
    allow_private_webhooks: bool = False
    sns_topic_arns: str = ""
    result_days: int = 1

    @property
    def topics(self) -> tuple[str, ...]:
        """ARNs of the SNS topics that may receive results."""
        return split_list(self.sns_topic_arns)


class AnswerSettings(CacheSettings, OfferSettings):
    """Settings of the functions that answer from the cache or enqueue a compute."""

    compute_queue_url: str
    storage_bucket: str
    memory_cache_mb: int = 64
    memory_cache_seconds: float = 0.5


class RequestSettings(AnswerSettings, TopicSettings):
    """Settings of the function for client messages; API Gateway closes a connection after `connection_seconds`."""

    delivery_queue_url: str
    connection_seconds: float = 7200.0


class ResultsSettings(TokenSettings, AnswerSettings):
    """Settings of the function that answers `GET /results`; it may tell which tags a result has."""

    explain_results: bool = False


class RecordSettings(Settings):
    """The records of durable requests, and the days that their results are kept."""

    requests_table: str
    webhook_queue_url: str
    storage_bucket: str
    result_days: int = 1


class QueuedSettings(AnswerSettings, RecordSettings):
    """Settings of the consumer of the request queue."""

    request_queue_url: str


class TopicsSettings(TokenSettings, CacheSettings, OfferSettings, TopicSettings):
    """Settings of the function that publishes over HTTP and receives inbound webhooks; it knows guarded computes."""

    hook_sources: str = ""
    hook_secret_arn: str = ""


class ManagementSettings(Settings):
    """The way to connections: the management API and the table of connections."""

    connections_table: str
    management_client: Literal["lean", "boto3"] = "lean"
    aws_endpoint_url_apigatewaymanagementapi: str


class PushSettings(ManagementSettings):
    """The way to connections, and the queue of frames to retry."""

    delivery_queue_url: str


class FanOutSettings(CacheSettings, ManagementSettings, OfferSettings, TopicSettings):
    """Settings of the function that pushes to subscribers; it asks the rules `authorize` of computes."""

    storage_bucket: str


class ComputeSettings(CacheSettings, OfferSettings, PushSettings, RecordSettings, TopicSettings):
    """Settings of the function that computes results, fills the cache and answers waiters."""

    compute_queue_url: str
    documents_table: str = ""
    scores_table: str = ""
    sources: str = ""


class NotifySettings(CacheSettings, OfferSettings, PushSettings, RecordSettings):
    """Settings of the function that retries deliveries and reads dead letters."""

    compute_dead_letter_queue_url: str


class WebhookSettings(Settings):
    """Settings of the function that delivers settled requests to webhooks and SNS topics."""

    requests_table: str
    webhooks_table: str
    webhook_queue_url: str
    webhook_dead_letter_queue_url: str
    webhook_secret_arn: str
    storage_bucket: str
    allow_private_webhooks: bool = False
    sns_topic_arns: str = ""

    @property
    def topics(self) -> tuple[str, ...]:
        """ARNs of the SNS topics that may receive results."""
        return split_list(self.sns_topic_arns)


class ChangeSettings(CacheSettings, OfferSettings, TopicSettings):
    """Settings of the function that invalidates results whose sources changed and refreshes live results.

    `sources` are those of the application, and `built_in_sources` Pushaside's own, in the same form. With
    `explain_changes` the log has a line for each result that a change makes stale.
    """

    compute_queue_url: str
    change_queue_url: str
    change_dead_letter_queue_url: str
    storage_bucket: str
    sources: str = ""
    built_in_sources: str = ""
    live_debounce_ms: int = 0
    explain_changes: bool = False


def fields_of(kind: type[Settings]) -> tuple[Field[Any], ...]:
    """Return the fields of a class of settings; at first make it, and the classes that it extends, dataclasses."""
    for each in reversed(kind.__mro__):
        if issubclass(each, Settings) and "__dataclass_fields__" not in vars(each):
            dataclass(frozen=True, kw_only=True)(each)
    return fields(kind)


AnySettings = TypeVar("AnySettings", bound=Settings)


def read_settings(kind: type[AnySettings], environ: Mapping[str, str]) -> AnySettings:
    """Read the settings of one function from its environment.

    Raises:
        SettingsError: a variable is missing or its text is invalid; the sentence names it.

    """
    names = {field.name.upper(): field.name for field in fields_of(kind)}
    given = {field: environ[name] for name, field in names.items() if name in environ}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as exc:
        raise SettingsError(f"An environment variable of this function is missing or invalid: {exc}.") from exc


def offered_modules(compute_modules: str, *, allow_synthetic: bool) -> tuple[str, ...]:
    """Return the modules to load computes from; the synthetic one only if it is allowed."""
    modules = split_list(compute_modules)
    if allow_synthetic and SYNTHETIC_COMPUTE not in modules:
        return (*modules, SYNTHETIC_COMPUTE)
    return modules if allow_synthetic else tuple(name for name in modules if name != SYNTHETIC_COMPUTE)


def split_list(text: str) -> tuple[str, ...]:
    """Split a comma-separated list, dropping blanks and empty parts."""
    return tuple(part for part in (part.strip() for part in text.split(",")) if part)
