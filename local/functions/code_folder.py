"""The folders of a template's functions and layers on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.errors import CannotStartError


@dataclass(frozen=True, slots=True)
class FunctionCode:
    """A function's folder (its task root) and the `python` folders of its layers."""

    folder: Path
    layers: tuple[Path, ...] = ()


def locate_code(template: Mapping[str, Any], template_path: Path) -> dict[str, FunctionCode]:
    """Return the code of each function by logical id; raise CannotStartError if its code is not a local folder.

    Paths are relative to the template. The folders include the template's own layers. A layer named by ARN must be
    installed beside the runtime.
    """
    base = template_path.resolve().parent
    defaults = template.get("Globals", {}).get("Function", {})
    found = {}
    for logical_id, resource in template["Resources"].items():
        properties = resource.get("Properties") or {}
        match resource["Type"]:
            case "AWS::Serverless::Function":
                location = properties.get("CodeUri", defaults.get("CodeUri", "."))
                layers = [*defaults.get("Layers", []), *properties.get("Layers", [])]
            case "AWS::Lambda::Function":
                location = properties.get("Code")
                layers = properties.get("Layers", [])
            case _:
                continue
        found[logical_id] = FunctionCode(_folder(base, logical_id, location), _layer_folders(template, base, layers))
    return found


def _folder(base: Path, logical_id: str, location: object) -> Path:
    if not isinstance(location, str) or location.startswith("s3://"):
        raise CannotStartError(f"The code of {logical_id} is not a local folder, so the runtime cannot run it.")
    folder = (base / location).resolve()
    if not folder.is_dir():
        raise CannotStartError(f"The code folder of {logical_id} does not exist: {folder}.")
    return folder


def _layer_folders(template: Mapping[str, Any], base: Path, layers: list[object]) -> tuple[Path, ...]:
    folders = []
    for layer in layers:
        resource = template["Resources"].get(layer.get("Ref")) if isinstance(layer, dict) else None
        content = (resource or {}).get("Properties", {}).get("ContentUri")
        if isinstance(content, str):
            folders.append((base / content).resolve() / "python")
    return tuple(folders)
