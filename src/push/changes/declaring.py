"""The decorator that registers a function of the changes of one source, and the functions of an application."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec

from push.changes.records import ChangeRecord
from push.computes.modules import Declared, declared_in
from push.computes.signatures import place_of
from push.errors import DeclarationError
from push.settings import CacheSettings


class ChangeBatch(msgspec.Struct, frozen=True):
    """Changes of one source, whose tags are about to be raised together in one scope.

    Args:
        records: the changes, in order.
        settings: the function's; for the computes of this project alone.

    """

    records: tuple[ChangeRecord, ...]
    settings: CacheSettings


Before = Callable[[ChangeBatch], Awaitable[None]]


class ChangeFunction(Declared, msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A registered function. A call of it is a call of the function, as in a test."""

    source: str
    function: Callable[[ChangeRecord], Any]
    before: Before | None = None

    def __call__(self, record: ChangeRecord) -> Any:  # noqa: ANN401 - as the function
        """Call the function itself."""
        return self.function(record)

    @property
    def is_blocking(self) -> bool:
        """Whether the function is a plain one, which must run on a thread."""
        return not inspect.iscoroutinefunction(self.function)

    @property
    def place(self) -> str:
        """The file, line and name of the function, for an error's sentence."""
        return place_of(self.function)


def changes_of(
    source: str, *, before: Before | None = None
) -> Callable[[Callable[[ChangeRecord], Any]], ChangeFunction]:
    """Register a plain or async function of one change of a source, which returns the tags that changed.

    It returns an iterable of tags: a str is raised in all scopes, and a `push.ChangedTag` in its own. What is tracked
    of the source by itself, as the rows of a table are, is raised besides. A function that raises
    `push.TransientError` is called again later; after any other error its record is kept in the queue of failed
    changes, and the next record has its turn.

    Args:
        source: the name of a table, bucket, stream, event or notification in pushaside.toml.
        before: an async function that receives a whole batch before the batch's tags are raised, so that a compute
            that starts afterwards finds what it did. If it raises, the batch is tried again.

    Raises:
        DeclarationError: the function can't be registered as it is.

    """
    if not isinstance(source, str) or not source:
        raise DeclarationError(f"`@changes_of` got {source!r}. Name a source of pushaside.toml: @changes_of('ledger').")

    def register(function: Callable[[ChangeRecord], Any]) -> ChangeFunction:
        if isinstance(function, ChangeFunction):
            raise DeclarationError(
                f"{function.place}: it is registered for {function.source!r} already. Write a function for each source."
            )
        try:
            inspect.signature(function).bind(None)
        except TypeError as exc:
            raise DeclarationError(
                f"{place_of(function)}: it can't be called with one record: {exc}. Give it one parameter."
            ) from exc
        return ChangeFunction(source=source, function=function, before=before)

    return register


class ChangeFunctions:
    """The registered functions, by the name of their source."""

    __slots__ = ("_by_source",)

    def __init__(self, functions: Iterable[ChangeFunction] = ()) -> None:
        self._by_source: dict[str, tuple[ChangeFunction, ...]] = {}
        for each in functions:
            self._by_source[each.source] = (*self.of(each.source), each)

    def of(self, source: str) -> tuple[ChangeFunction, ...]:
        """Return the functions of a source."""
        return self._by_source.get(source, ())

    @property
    def by_source(self) -> Mapping[str, tuple[ChangeFunction, ...]]:
        """Return all functions by the name of their source."""
        return self._by_source


def load_change_functions(names: Iterable[str]) -> ChangeFunctions:
    """Import modules, and every module within packages, and collect the functions that they register.

    Raises:
        SettingsError: a module can't be imported, or declares nothing.
        DeclarationError: a function can't be registered as it is.

    """
    found = [each for name in names for each in declared_in(name, ChangeFunction)]
    return ChangeFunctions({id(each): each for each in found}.values())
