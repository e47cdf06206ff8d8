"""The subcommand `pushaside build`."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from local.application.code_check import check_places, require_sound_code
from local.application.declaration import FILE, Application, read_application
from local.application.own_template import OwnTemplate, read_own_template
from local.deploying.sam_template import read_template
from local.errors import CannotStartError
from pushaside.cli.helping import describe
from pushaside_service import CODE, TEMPLATE

BUILT = ".pushaside"
_REQUIREMENTS = "requirements.txt"
_TOPICS = "topics.json"
"""The namespaces of topics, which apply unless the template's parameter Topics names others."""
_NOT_CARRIED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.pyi", "py.typed")

_DESCRIPTION = (
    "Build an application for AWS: check it, write Pushaside's template and code and a layer with the computes to "
    ".pushaside, and run `sam build`. Then `sam deploy --guided` deploys it."
)
_EXAMPLES = [
    ("pushaside build && sam deploy --guided", "the application in this folder"),
    ("pushaside build --no-sam", "only write .pushaside, where `sam build` runs elsewhere"),
]


class _TemplateDumper(yaml.SafeDumper):
    """A YAML dumper that writes an object out wherever it is, because CloudFormation knows no aliases."""

    def ignore_aliases(self, _data: Any) -> bool:  # noqa: ANN401  # any value of YAML
        """Return True for everything."""
        return True


def add_parser(subparsers: Any) -> None:  # noqa: ANN401  # argparse has no public type for it
    """Add the subcommand to the command line of `pushaside`."""
    parser = subparsers.add_parser("build", help="build an application for `sam deploy`", description=_DESCRIPTION)
    parser.add_argument(
        "--app", type=Path, default=Path(), metavar="DIR", help="folder of the application (default: this folder)"
    )
    parser.add_argument("--no-sam", action="store_true", help="do not run `sam build`")
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run_command)


def run_command(arguments: argparse.Namespace) -> int:
    """Build the application and return the exit code."""
    try:
        application = read_application(arguments.app)
        check_places(application)
        own = read_own_template(application)
        asyncio.run(require_sound_code(own.application))
        write_build(own)
    except CannotStartError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"Wrote {application.folder / BUILT}.")
    return 0 if arguments.no_sam else _run_sam(application)


def write_build(own: OwnTemplate) -> None:
    """Write `.pushaside`: Pushaside's template and code, and the layer of the computes.

    An earlier build stays until the new one is whole.
    """
    application = own.application
    built = application.folder / BUILT
    unfinished = application.folder / f"{BUILT}.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    template = own.extend(read_template(TEMPLATE))
    text = yaml.dump(template, Dumper=_TemplateDumper, sort_keys=False, width=120)
    (unfinished / "template.yaml").write_text(text, encoding="utf-8")
    _write_code(unfinished / "src")
    if application.topics:
        (unfinished / "src" / _TOPICS).write_text(application.topics, encoding="utf-8")
    _write_layer(application, unfinished / "layer")
    shutil.rmtree(built, ignore_errors=True)
    unfinished.rename(built)


def _write_code(folder: Path) -> None:
    shutil.copytree(CODE, folder, ignore=_NOT_CARRIED)
    core = importlib.util.find_spec("push")
    if core is None or core.origin is None:
        raise CannotStartError("The package push is not installed; `pip install pushaside-service` installs it.")
    shutil.copytree(Path(core.origin).parent, folder / "push", ignore=_NOT_CARRIED, dirs_exist_ok=True)


def _write_layer(application: Application, folder: Path) -> None:
    """Copy the modules that are on offer, by their top folders, and what they need."""
    folder.mkdir()
    shutil.copy2(application.folder / FILE, folder)
    requirements = application.folder / _REQUIREMENTS
    if requirements.is_file():
        shutil.copy2(requirements, folder)
    else:
        (folder / _REQUIREMENTS).touch()
    for name in dict.fromkeys(module.partition(".")[0] for module in application.declaration.modules):
        package = application.folder / name
        if package.is_dir():
            shutil.copytree(package, folder / name, ignore=_NOT_CARRIED)
        else:
            shutil.copy2(package.with_suffix(".py"), folder)


def _run_sam(application: Application) -> int:
    sam = shutil.which("sam")
    if sam is None:
        print("`sam` is not installed, so nothing was built yet; `pip install aws-sam-cli`, then run `sam build`.")
        return 0
    return subprocess.run([sam, "build"], cwd=application.folder, check=False).returncode  # noqa: S603  # from PATH
