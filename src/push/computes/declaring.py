"""The decorator that declares a compute, and the value that it makes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

import msgspec

from push.computes.canonical import Canonicalize, make_canonicalize
from push.computes.modules import Declared
from push.computes.scopes import Scope
from push.computes.signatures import Signature, bind_params, members_of, place_of, read_signature
from push.errors import DeclarationError, ErrorCode, RequestError

if TYPE_CHECKING:
    from push.callers import Caller

Params = TypeVar("Params", bound=msgspec.Struct)

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class Computed(msgspec.Struct, frozen=True):
    """A compute's value with facts for the cache; a compute without such facts returns the bare value.

    Args:
        value: anything msgspec can encode as JSON, or `msgspec.Raw` holding JSON bytes.
        source_version: grows with every change of the source; a fill with a lower version never replaces a higher one.
        tags: names of the sources of the value, in addition to the compute's own tags.

    """

    value: object
    source_version: int = 0
    tags: tuple[str, ...] = ()


class Compute(Declared, msgspec.Struct, Generic[Params], frozen=True, kw_only=True):
    """One declared compute; times are in seconds. A call of it is a call of its function, as in a test."""

    name: str
    version: int
    params: type[Params]
    function: Callable[..., Any]
    signature: Signature
    canonicalize: Canonicalize | None
    """Makes parsed params canonical; None if parsing does."""
    ttl_seconds: float
    stale_ttl_seconds: float
    failure_ttl_seconds: float
    timeout_seconds: float
    scope: Scope
    authorize: Callable[[Caller, Params], bool] | None
    """Says whether a caller may have the result of params, at every request; None permits every caller of the scope."""
    tags: Callable[[Params], tuple[str, ...]]
    doc: str

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the function
        """Call the function itself."""
        return self.function(*arguments, **named)

    @property
    def is_blocking(self) -> bool:
        """Whether the function is a plain one, which must run on a thread."""
        return not inspect.iscoroutinefunction(self.function)

    @property
    def place(self) -> str:
        """The file, line and name of the function, for an error's sentence."""
        return place_of(self.function)

    def parse_params(self, raw: bytes | msgspec.Raw) -> Params:
        """Decode and validate params, and return them in canonical form.

        Raises:
            RequestError: the params are not JSON of the declared form (`invalid_params`).

        """
        try:
            params = msgspec.json.decode(raw, type=self.params)
            if self.canonicalize is not None:
                params = self.canonicalize(params)
        # TypeError: an element of a set has no hash. The others: a number or a time is out of range.
        except (msgspec.DecodeError, RecursionError, UnicodeError, ValueError, ArithmeticError, TypeError) as exc:
            raise RequestError(
                f"`params` are not valid for {self.name}: {exc}.", code=ErrorCode.INVALID_PARAMS
            ) from exc
        return params

    def invoke(self, params: Params, context: object) -> Any:  # noqa: ANN401 - as the function
        """Call the function with parsed params, and with the context if it takes one."""
        signature = self.signature
        named = {"params": params} if signature.is_whole else members_of(params, params.__struct_fields__)
        return self.function(**named, context=context) if signature.has_context else self.function(**named)


AnyCompute = Compute[Any]
ScopeName = Literal["tenant", "principal", "shared"]
Tags = Iterable[str] | Callable[..., Iterable[str]]


@overload
def compute(function: Callable[..., Any], /) -> AnyCompute: ...


@overload
def compute(
    *,
    name: str | None = None,
    version: int = 1,
    ttl: float = 60.0,
    stale_ttl: float = 0.0,
    failure_ttl: float = 2.0,
    timeout: float = 20.0,
    scope: Scope | ScopeName = Scope.TENANT,
    authorize: Callable[..., bool] | None = None,
    tags: Tags = (),
) -> Callable[[Callable[..., Any]], AnyCompute]: ...


def compute(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    version: int = 1,
    ttl: float = 60.0,
    stale_ttl: float = 0.0,
    failure_ttl: float = 2.0,
    timeout: float = 20.0,
    scope: Scope | ScopeName = Scope.TENANT,
    authorize: Callable[..., bool] | None = None,
    tags: Tags = (),
) -> AnyCompute | Callable[[Callable[..., Any]], AnyCompute]:
    """Declare a function as a compute; its parameters are the params that callers may send.

    An async function runs on the event loop, a plain one on a thread. A parameter named `context` is no param: it
    receives the context. A single parameter `params` may be a msgspec Struct of all params. Times are in seconds.

    Args:
        function: the function, if the decorator has no arguments.
        name: the name that callers request; the function's by default. Lower-case letters, digits, `_` and `-`.
        version: part of every key; raise it when the same params should yield a different result.
        ttl: how long a result is fresh.
        stale_ttl: how long after that a stale result may be answered while it is refreshed.
        failure_ttl: how long a deterministic failure is cached.
        timeout: how long the function may run; less than the Lambda function's timeout.
        scope: the callers that share a result: of a `tenant`, a `principal`, or all (`shared`).
        authorize: a plain function of the caller and the params that it names; asked at every request.
        tags: names of the result's sources, or a plain function of the params that it names, which returns them. A
            change of a tag invalidates the result.

    Raises:
        DeclarationError: the function or an argument can't be offered as it is.

    """

    def declare(function: Callable[..., Any]) -> AnyCompute:
        signature = read_signature(function)
        declared: AnyCompute = Compute(
            name=_check_name(function, getattr(function, "__name__", "") if name is None else name),
            version=version,
            params=signature.params,
            function=function,
            signature=signature,
            canonicalize=make_canonicalize(signature.params),
            ttl_seconds=ttl,
            stale_ttl_seconds=stale_ttl,
            failure_ttl_seconds=failure_ttl,
            timeout_seconds=timeout,
            scope=_read_scope(function, scope),
            authorize=None if authorize is None else _bind_rule(function, authorize, signature),
            tags=_make_tags(function, tags, signature),
            doc=inspect.cleandoc(function.__doc__ or ""),
        )
        _check_times(declared)
        return declared

    return declare if function is None else declare(function)


def _bind_rule(
    function: Callable[..., Any], authorize: Callable[..., bool], signature: Signature
) -> Callable[[Caller, Any], bool]:
    if inspect.iscoroutinefunction(authorize):
        raise DeclarationError(
            f"{place_of(function)}: `authorize` is async. Give a plain function that returns a bool."
        )
    return bind_params(function, authorize, signature, leading=1)


def _check_name(function: Callable[..., Any], name: str) -> str:
    if not _NAME.fullmatch(name):
        raise DeclarationError(
            f"{place_of(function)}: {name!r} is not a valid name for a compute. Give `name=` of lower-case letters,"
            " digits, _ and -, at most 64."
        )
    return name


def _check_times(declared: AnyCompute) -> None:
    times = {
        "ttl": declared.ttl_seconds,
        "stale_ttl": declared.stale_ttl_seconds,
        "failure_ttl": declared.failure_ttl_seconds,
        "timeout": declared.timeout_seconds,
    }
    for argument, seconds in times.items():
        if not 0 <= seconds < float("inf"):
            raise DeclarationError(f"{declared.place}: `{argument}` is {seconds}. Give a number of seconds from 0.")


def _read_scope(function: Callable[..., Any], scope: Scope | str) -> Scope:
    try:
        return Scope(scope)
    except ValueError:
        known = ", ".join(each.value for each in Scope)
        raise DeclarationError(f"{place_of(function)}: no scope is named {scope!r}. Use one of {known}.") from None


def _make_tags(function: Callable[..., Any], tags: Tags, signature: Signature) -> Callable[[Any], tuple[str, ...]]:
    if callable(tags):
        return bind_params(function, tags, signature)
    if isinstance(tags, str):
        raise DeclarationError(f"{place_of(function)}: `tags` is a string. Write `tags=({tags!r},)`.")
    same = tuple(tags)
    return lambda _params: same
