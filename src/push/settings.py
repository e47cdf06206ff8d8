"""What each function reads from its environment: the names of `template.yaml`, in lower case.

The core reads no environment: entry points pass `os.environ` to `read_settings` once per execution environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec

from push.errors import SettingsError

BUILT_IN_COMPUTES = "compute.documents,compute.leaderboard"
SYNTHETIC_COMPUTE = "compute.synthetic"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all settings: a field is the environment variable of that name in upper case."""


class AuthorizerSettings(Settings, frozen=True, kw_only=True):
    """Who may connect, and how that is proved."""

    auth_mode: Literal["jwt", "none"] = "jwt"
    token_secret_arn: str = ""
    jwks_url: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""
    allowed_origins: str = ""
    tickets_table: str

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins browsers may connect from; `*` means any."""
        return split_list(self.allowed_origins)


class ConnectSettings(Settings, frozen=True, kw_only=True):
    """Where connections are recorded."""

    connections_table: str


class CacheSettings(Settings, frozen=True, kw_only=True):
    """How to reach Redis, and how long to wait for it (milliseconds)."""

    cache_url: str
    cache_connect_timeout_ms: int = 200
    cache_timeout_ms: int = 100


class OfferSettings(CacheSettings, frozen=True, kw_only=True):
    """Which computes are on offer, the same for every function that meets their names."""

    compute_modules: str = BUILT_IN_COMPUTES
    allow_synthetic: bool = False

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules whose computes are offered."""
        return offered_modules(self.compute_modules, allow_synthetic=self.allow_synthetic)


class RequestSettings(OfferSettings, frozen=True, kw_only=True):
    """What answers client messages."""

    compute_queue_url: str
    memory_cache_mb: int = 64
    memory_cache_seconds: float = 0.5


class ComputeSettings(OfferSettings, frozen=True, kw_only=True):
    """What computes results, fills the cache and answers the waiters."""

    compute_queue_url: str
    delivery_queue_url: str
    connections_table: str
    documents_table: str = ""
    scores_table: str = ""
    storage_bucket: str = ""
    management_client: Literal["lean", "boto3"] = "lean"
    aws_endpoint_url_apigatewaymanagementapi: str


class NotifySettings(OfferSettings, frozen=True, kw_only=True):
    """What delivers what could not be delivered at once, and reads the dead letters."""

    delivery_queue_url: str
    connections_table: str
    management_client: Literal["lean", "boto3"] = "lean"
    aws_endpoint_url_apigatewaymanagementapi: str


class ChangeSettings(CacheSettings, frozen=True, kw_only=True):
    """What makes results stale when their sources change: no more than where the results are."""


AnySettings = TypeVar("AnySettings", bound=Settings)


def read_settings(kind: type[AnySettings], environ: Mapping[str, str]) -> AnySettings:
    """Read the settings of one function from its environment.

    Raises:
        SettingsError: a variable is absent or its text does not fit; the sentence says which.

    """
    names = {field.upper(): field for field in kind.__struct_fields__}
    given = {field: environ[name] for name, field in names.items() if name in environ}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as exc:
        raise SettingsError(f"An environment variable of this function is absent or unusable: {exc}.") from exc


def offered_modules(compute_modules: str, *, allow_synthetic: bool) -> tuple[str, ...]:
    """Modules to load computes from; the synthetic one only where a setting allows it."""
    modules = split_list(compute_modules)
    if allow_synthetic and SYNTHETIC_COMPUTE not in modules:
        return (*modules, SYNTHETIC_COMPUTE)
    return modules if allow_synthetic else tuple(name for name in modules if name != SYNTHETIC_COMPUTE)


def split_list(text: str) -> tuple[str, ...]:
    """Split a comma-separated list; blanks and empty parts are dropped."""
    return tuple(part for part in (part.strip() for part in text.split(",")) if part)
