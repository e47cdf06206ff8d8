"""Settings of each function, read from environment variables.

A field has the name of its variable in `template.yaml`, in lower case. The core reads no environment: entry points pass
`os.environ` to `read_settings` once per execution environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, TypeVar

import msgspec

from push.errors import SettingsError

BUILT_IN_COMPUTES = "compute.documents,compute.leaderboard"
SYNTHETIC_COMPUTE = "compute.synthetic"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all settings; each field is the environment variable of that name in upper case."""

    aws_clients: Literal["lean", "boto3"] = "lean"


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class AuthorizerSettings(TokenSettings):
    """Settings of the authorizer: allowed origins and the table of tickets."""

    allowed_origins: str = ""
    tickets_table: str

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins that browsers may connect from; `*` means any."""
        return split_list(self.allowed_origins)


@dataclass(frozen=True, kw_only=True)
class TopicSettings(Settings):
    """The table of subscriptions, the fan-out queue, and the namespaces of topics if they are not those that ship."""

    subscriptions_table: str
    fan_out_queue_url: str
    topics: str = ""


@dataclass(frozen=True, kw_only=True)
class ConnectSettings(TopicSettings):
    """Settings of the functions that record connections."""

    connections_table: str


@dataclass(frozen=True, kw_only=True)
class OfferSettings(Settings):
    """The computes on offer; the same for every function that receives their names."""

    compute_modules: str = BUILT_IN_COMPUTES
    compute_environment: str = ""
    allow_synthetic: bool = False

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules that declare the computes on offer."""
        return offered_modules(self.compute_modules, allow_synthetic=self.allow_synthetic)


@dataclass(frozen=True, kw_only=True)
class CacheSettings(Settings):
    """The URL of Redis, and how long to wait for it (milliseconds)."""

    cache_url: str
    cache_connect_timeout_ms: int = 200
    cache_timeout_ms: int = 100


@dataclass(frozen=True, kw_only=True)
class RaisedTagSettings(Settings):
    """Settings of `POST /changes`: the queue of changes, and the claim of a token that grants the right."""

    change_queue_url: str
    change_claim: str = "changes"


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class AnswerSettings(CacheSettings, OfferSettings):
    """Settings of the functions that answer from the cache or enqueue a compute."""

    compute_queue_url: str
    storage_bucket: str
    memory_cache_mb: int = 64
    memory_cache_seconds: float = 0.5


@dataclass(frozen=True, kw_only=True)
class RequestSettings(AnswerSettings, TopicSettings):
    """Settings of the function for client messages; API Gateway closes a connection after `connection_seconds`."""

    delivery_queue_url: str
    connection_seconds: float = 7200.0


@dataclass(frozen=True, kw_only=True)
class ResultsSettings(TokenSettings, AnswerSettings):
    """Settings of the function that answers `GET /results`; it may tell which tags a result has."""

    explain_results: bool = False


@dataclass(frozen=True, kw_only=True)
class RecordSettings(Settings):
    """The records of durable requests, and the days that their results are kept."""

    requests_table: str
    webhook_queue_url: str
    storage_bucket: str
    result_days: int = 1


@dataclass(frozen=True, kw_only=True)
class QueuedSettings(AnswerSettings, RecordSettings):
    """Settings of the consumer of the request queue."""

    request_queue_url: str


@dataclass(frozen=True, kw_only=True)
class TopicsSettings(TokenSettings, CacheSettings, OfferSettings, TopicSettings):
    """Settings of the function that publishes over HTTP and receives inbound webhooks; it knows guarded computes."""

    hook_sources: str = ""
    hook_secret_arn: str = ""


@dataclass(frozen=True, kw_only=True)
class ManagementSettings(Settings):
    """The way to connections: the management API and the table of connections."""

    connections_table: str
    management_client: Literal["lean", "boto3"] = "lean"
    aws_endpoint_url_apigatewaymanagementapi: str


@dataclass(frozen=True, kw_only=True)
class PushSettings(ManagementSettings):
    """The way to connections, and the queue of frames to retry."""

    delivery_queue_url: str


@dataclass(frozen=True, kw_only=True)
class FanOutSettings(CacheSettings, ManagementSettings, OfferSettings, TopicSettings):
    """Settings of the function that pushes to subscribers; it asks the rules `authorize` of computes."""

    storage_bucket: str


@dataclass(frozen=True, kw_only=True)
class ComputeSettings(CacheSettings, OfferSettings, PushSettings, RecordSettings, TopicSettings):
    """Settings of the function that computes results, fills the cache and answers waiters."""

    compute_queue_url: str
    documents_table: str = ""
    scores_table: str = ""
    sources: str = ""


@dataclass(frozen=True, kw_only=True)
class NotifySettings(CacheSettings, OfferSettings, PushSettings, RecordSettings):
    """Settings of the function that retries deliveries and reads dead letters."""

    compute_dead_letter_queue_url: str


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
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


AnySettings = TypeVar("AnySettings", bound=Settings)


def read_settings(kind: type[AnySettings], environ: Mapping[str, str]) -> AnySettings:
    """Read the settings of one function from its environment.

    Raises:
        SettingsError: a variable is missing or its text is invalid; the sentence names it.

    """
    names = {field.name.upper(): field.name for field in fields(kind)}
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
