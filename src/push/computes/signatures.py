"""Params from signatures: a function's parameters become a msgspec Struct, or the function is refused with a sentence.

A single parameter `params` that is annotated with a Struct is that Struct. A parameter `context` receives the context.
"""

from __future__ import annotations

import copy
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import inspect as types

from push.errors import DeclarationError

CONTEXT = "context"
PARAMS = "params"

_USABLE = "Use str, int, float, bool, a date, a list, a dict, a Literal, a dataclass or a msgspec Struct."
_REFUSED_KINDS: dict[object, str] = {
    inspect.Parameter.POSITIONAL_ONLY: "is positional only. Params have names: remove the `/`.",
    inspect.Parameter.VAR_POSITIONAL: "takes any number of values. Make it one parameter that is a list.",
    inspect.Parameter.VAR_KEYWORD: "takes any name. Make it one parameter that is a dict.",
}


class Signature(msgspec.Struct, frozen=True):
    """The parts of a function's signature that concern callers."""

    params: type[msgspec.Struct]
    is_whole: bool
    """Whether the function takes the Struct itself, as its parameter `params`."""
    has_context: bool


def read_signature(function: Callable[..., object]) -> Signature:
    """Read the params that a function takes.

    Raises:
        DeclarationError: a parameter can't be part of a JSON Schema.

    """
    parameters = dict(inspect.signature(function).parameters)
    has_context = parameters.pop(CONTEXT, None) is not None
    if len(parameters) == 1 and PARAMS in parameters:
        kind = resolve(function, PARAMS, parameters[PARAMS].annotation)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            _check_schema(function, kind)
            return Signature(kind, is_whole=True, has_context=has_context)
    fields = [_make_field(function, parameter) for parameter in parameters.values()]
    params = msgspec.defstruct(
        f"{getattr(function, '__name__', 'compute')}_params",
        fields,
        kw_only=True,
        frozen=True,
        forbid_unknown_fields=True,
        module=function.__module__,
    )
    _check_schema(function, params)
    return Signature(params, is_whole=False, has_context=has_context)


def place_of(function: Callable[..., object]) -> str:
    """Return the file and line of a function, and its name, for an error's sentence."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    name = getattr(function, "__name__", repr(function))
    return f"{code.co_filename}:{code.co_firstlineno}: `{name}`" if code else f"`{name}`"


def resolve(function: Callable[..., object], name: str, annotation: object) -> Any:  # noqa: ANN401 - a type
    """Return the type that an annotation names.

    Raises:
        DeclarationError: the annotation is missing, or names something that is absent at run time.

    """
    if annotation is inspect.Parameter.empty:
        raise DeclarationError(f"{place_of(function)}: the parameter `{name}` has no type. Annotate it. {_USABLE}")
    # Classes in the function that declares this one are its closure's, where they are used in it.
    known = {**inspect.unwrap(function).__globals__, **inspect.getclosurevars(function).nonlocals}
    try:
        return typing.get_type_hints(_Annotated(annotation), known, include_extras=True)["it"]
    except (NameError, AttributeError, TypeError, SyntaxError) as exc:
        raise DeclarationError(
            f"{place_of(function)}: the type of `{name}` can't be found: {exc}. Import it at the module's top, not"
            " under `if TYPE_CHECKING`."
        ) from exc


class _Annotated:
    """Holds one annotation, because `get_type_hints` resolves all of an object's."""

    def __init__(self, annotation: object) -> None:
        self.__annotations__ = {"it": annotation}


def _make_field(function: Callable[..., object], parameter: inspect.Parameter) -> tuple[str, Any, Any]:
    name = parameter.name
    if (refusal := _REFUSED_KINDS.get(parameter.kind)) is not None:
        raise DeclarationError(f"{place_of(function)}: the parameter `{name}` {refusal}")
    kind = resolve(function, name, parameter.annotation)
    default = parameter.default
    if default is inspect.Parameter.empty:
        return name, kind, msgspec.NODEFAULT
    _check_default(function, name, kind, default)
    return (
        name,
        kind,
        default if _is_constant(default) else msgspec.field(default_factory=partial(copy.deepcopy, default)),
    )


def _is_constant(default: object) -> bool:
    try:
        hash(default)
    except TypeError:
        return False
    return True


def _check_default(function: Callable[..., object], name: str, kind: Any, default: object) -> None:  # noqa: ANN401
    try:
        msgspec.json.decode(msgspec.json.encode(default), type=kind)
    except msgspec.DecodeError as exc:
        hint = f" Write `{name}: ... | None = None`." if default is None else ""
        raise DeclarationError(
            f"{place_of(function)}: the default of `{name}` does not fit its type: {exc}.{hint}"
        ) from exc
    except TypeError as exc:
        raise DeclarationError(f"{place_of(function)}: the parameter `{name}` can't be JSON: {exc}. {_USABLE}") from exc


def _check_schema(function: Callable[..., object], params: type[msgspec.Struct]) -> None:
    try:
        msgspec.json.Decoder(params)
        info = types.type_info(params)
    except (TypeError, NameError, AttributeError, ValueError, RuntimeError) as exc:
        raise DeclarationError(f"{place_of(function)}: its params can't be a schema: {exc}. {_USABLE}") from exc
    for field in info.fields if isinstance(info, types.StructType) else ():
        if (custom := next(_find_custom(field.type, set()), None)) is not None:
            raise DeclarationError(
                f"{place_of(function)}: the parameter `{field.name}` has the type `{_name_of(custom.cls)}`, which JSON"
                f" can't hold. {_USABLE}"
            )


def _find_custom(kind: Any, seen: set[type]) -> Iterator[types.CustomType]:  # noqa: ANN401 - any of msgspec's types
    """Return the types that msgspec does not know, within a type."""
    if isinstance(kind, types.CustomType):
        yield kind
    cls = getattr(kind, "cls", None)
    if cls is not None:
        if cls in seen:
            return
        seen.add(cls)
    nested = [getattr(kind, name, None) for name in ("type", "item_type", "key_type", "value_type")]
    nested += [*getattr(kind, "types", ()), *getattr(kind, "item_types", ())]
    nested += [field.type for field in getattr(kind, "fields", ())]
    for each in nested:
        if isinstance(each, types.Type):
            yield from _find_custom(each, seen)


def _name_of(cls: object) -> str:
    return getattr(cls, "__name__", str(cls))


def bind_params(
    declared: Callable[..., object], function: Callable[..., Any], signature: Signature, leading: int = 0
) -> Callable[..., Any]:
    """Return a function of leading arguments and a params Struct that calls `function` as it declares its parameters.

    Such a function takes the Struct as `params`, or, beside a compute with a signature, the params that it names.

    Args:
        declared: the compute's function, for the sentence.
        function: the argument `tags` or `authorize`.
        signature: the compute's.
        leading: how many positional arguments come before the params.

    Raises:
        DeclarationError: the function names a param that the compute does not have.

    """
    if signature.is_whole:
        return function
    parameters = list(inspect.signature(function).parameters.values())[leading:]
    if len(parameters) == 1 and parameters[0].name.lstrip("_") == PARAMS:
        return function
    return _ByName(function, _wanted_names(declared, function, signature, parameters), leading)


def _wanted_names(
    declared: Callable[..., object],
    function: Callable[..., Any],
    signature: Signature,
    parameters: list[inspect.Parameter],
) -> tuple[str, ...]:
    known = signature.params.__struct_fields__
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return known
    names = tuple(parameter.name for parameter in parameters)
    for name in names:
        if name not in known:
            raise DeclarationError(
                f"{place_of(function)}: it takes `{name}`, which is no parameter of {place_of(declared)}. Name its"
                f" parameters{': ' + ', '.join(known) if known else ', of which there are none'}."
            )
    return names


class _ByName(msgspec.Struct, frozen=True):
    """Calls a function with the params that it names, as keyword arguments."""

    function: Callable[..., Any]
    names: tuple[str, ...]
    leading: int

    def __call__(self, *arguments: Any) -> Any:  # noqa: ANN401 - as the function
        *first, params = arguments
        return self.function(*first[: self.leading], **members_of(params, self.names))


def members_of(params: msgspec.Struct, names: tuple[str, ...]) -> Mapping[str, Any]:
    """Return some members of params by name."""
    return {name: getattr(params, name) for name in names}
