"""The declaration of an application, `pushaside.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec

from local.application.declared_sources import DeclaredSources
from local.errors import CannotStartError

FILE = "pushaside.toml"

_Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9-]{0,39}$")]
_Module = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]


class Declaration(DeclaredSources, frozen=True, kw_only=True):
    """The content of `pushaside.toml`.

    `modules` are the packages and modules whose computes are on offer. `topics` are namespaces as in `topics.json`,
    before the default ones. `parameters` override those of Pushaside's template on one machine. `demo` is a JSON file
    with rows by table, which `--demo` stores.
    """

    name: _Name
    modules: Annotated[tuple[_Module, ...], msgspec.Meta(min_length=1)] = ("computes",)
    template: str = "template.yaml"
    demo: str | None = None
    topics: tuple[dict[str, Any], ...] = ()
    parameters: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Application:
    """An application and its folder.

    `environment` has the variables that the template gives the computes, as far as they are known before a deployment.
    """

    folder: Path
    declaration: Declaration
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def template(self) -> Path:
        """The template of the application's own resources."""
        return self.folder / self.declaration.template

    @property
    def modules(self) -> str:
        """The value of the template parameter ComputeModules."""
        return ",".join(self.declaration.modules)

    @property
    def topics(self) -> str:
        """The value of the template parameter Topics; empty if the application declares none."""
        own = self.declaration.topics
        return msgspec.json.encode([_LIVE_RESULTS, *own, _OTHER_TOPICS]).decode() if own else ""

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of Pushaside's template on one machine, as CloudFormation takes them."""
        return {name: _as_text(value) for name, value in self.declaration.parameters.items()}


# As in `src/topics.json`, but nobody publishes to a topic that the application does not declare.
_LIVE_RESULTS = {"match": "*@*", "history_size": 2, "history_seconds": 3600, "patches": True}
_OTHER_TOPICS = {"match": "*", "subscribe": "anybody", "publish": "nobody"}


def _as_text(value: str | float | bool) -> str:  # noqa: FBT001  # a value of the file
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_application(folder: Path) -> bool:
    """Return whether the folder has a `pushaside.toml`."""
    return (folder / FILE).is_file()


def read_application(folder: Path) -> Application:
    """Return the application in `folder`.

    Raises:
        CannotStartError: there is none, or its `pushaside.toml` is invalid.

    """
    path = folder / FILE
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CannotStartError(
            f"There is no {FILE} in {folder.resolve()}; `pushaside new NAME` makes an application, and --app names its "
            "folder."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CannotStartError(f"{path} cannot be read: {error}.") from None
    try:
        declaration = msgspec.convert(document, Declaration)
    except msgspec.ValidationError as error:
        raise CannotStartError(f"{path} is invalid: {error}.") from None
    if (fault := declaration.find_fault()) is not None:
        raise CannotStartError(f"{path}: {fault}")
    return Application(folder.resolve(), declaration)
