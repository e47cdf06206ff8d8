"""The choice of what `pushaside local` runs: an application, a template, or the service alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from local.application.code_check import check_places
from local.application.declaration import FILE, is_application, read_application
from local.application.own_template import OwnTemplate, read_own_template
from local.deploying.sam_template import load_template
from local.errors import CannotStartError
from local.functions.code_folder import FunctionCode
from local.options import Options
from pushaside_service import TEMPLATE

_TEMPLATE_FILE = Path("template.yaml")


@dataclass(frozen=True, slots=True)
class Program:
    """The template to run, and the application that brings it in, if there is one."""

    template: Path
    own: OwnTemplate | None = None

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters that the application declares for one machine."""
        return self.own.application.parameters if self.own else {}

    def load_template(self) -> dict[str, Any]:
        """Return the template, with the sources of the application.

        Raises:
            CannotStartError: it cannot be read, or is none that the runtime serves.

        """
        template = load_template(self.template)
        return self.own.extend(template) if self.own else template

    def with_computes(self, code: dict[str, FunctionCode]) -> dict[str, FunctionCode]:
        """Return the code of the functions with the application's folder beside it, as if it were a layer."""
        if self.own is None:
            return code
        folder = self.own.application.folder
        return {name: replace(each, layers=(*each.layers, folder)) for name, each in code.items()}


def choose_program(options: Options) -> Program:
    """Return what the options and the working directory ask for.

    Raises:
        CannotStartError: they ask for nothing that is there, or for an invalid application.

    """
    if options.app is not None and options.template is not None:
        raise CannotStartError("--app and --template name two things to run; give one of them.")
    if options.app is not None:
        return _application(options.app)
    if options.template is not None:
        return Program(options.template)
    here = Path()
    if is_application(here):
        return _application(here)
    if _TEMPLATE_FILE.is_file():
        return Program(_TEMPLATE_FILE)
    if options.demo:
        return Program(TEMPLATE)
    raise CannotStartError(
        f"There is neither a {FILE} nor a {_TEMPLATE_FILE} in {here.resolve()}; `pushaside new NAME` makes an "
        "application, and --app names its folder."
    )


def _application(folder: Path) -> Program:
    application = read_application(folder)
    check_places(application)
    own = read_own_template(application)
    return Program(TEMPLATE, own.for_one_machine())
