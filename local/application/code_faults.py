"""A process that imports an application's modules as the functions do: `python -m local.application.code_faults ...`.

It prints a JSON document: the fault, or the catalogue of the computes. Every save waits for it, so it imports little.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pushaside_service import CODE


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the application's code; `file` and `line` are empty if no line of the application is at fault."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        """Return one sentence with the place."""
        return f"{self.file}, line {self.line}: {self.sentence}" if self.file else self.sentence


def describe(error: BaseException, folder: Path) -> Fault:
    """Return the fault behind an error of an import."""
    chain = list(_chain(error))
    for each in reversed(chain):
        if isinstance(each, SyntaxError) and each.filename:
            return Fault(_relative(each.filename, folder), each.lineno or 0, f"{each.msg}.")
    sentence = _sentence(chain[0])
    for each in reversed(chain):
        for frame in reversed(traceback.extract_tb(each.__traceback__)):
            if _is_of(frame.filename, folder):
                # A declaration that is refused begins with its own place.
                sentence = re.sub(rf"^{re.escape(frame.filename)}:\d+: ", "", _sentence(each))
                return Fault(_relative(frame.filename, folder), frame.lineno or 0, sentence)
    return Fault("", 0, sentence)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _sentence(error: BaseException) -> str:
    text = str(error).rstrip(".")
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        return f"{text}. Add {top} to requirements.txt and install it with `pip install -r requirements.txt`."
    if type(error).__name__ in {"SettingsError", "DeclarationError"}:
        return f"{text}."
    return f"{type(error).__name__}: {text}."


def _is_of(filename: str, folder: Path) -> bool:
    return Path(filename).is_relative_to(folder)


def _relative(filename: str, folder: Path) -> str:
    return os.path.relpath(filename, folder) if _is_of(filename, folder) else filename


def main(folder: Path, modules: str) -> None:
    """Import the modules and print the outcome; what they print themselves goes to standard error."""
    answer = os.dup(1)
    os.dup2(2, 1)
    sys.path[:0] = [str(CODE), str(folder)]
    fault, computes = None, []
    try:
        registry = importlib.import_module("push.computes").load_registry(modules.split(","))
        computes = importlib.import_module("push.computes.catalogue").describe_all(registry)["computes"]
    except BaseException as error:  # noqa: BLE001  # a module may raise anything
        fault = describe(error, folder)
    os.write(answer, json.dumps({"fault": fault and asdict(fault), "computes": computes}).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
