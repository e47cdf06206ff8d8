"""Adds to the wheel the files that are not beside the packages: service, browser client, examples, the page's chart."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_CHART = "local/page/node_modules/uplot"
_FILES = {
    "template.yaml": "pushaside_service",
    "docs/openapi.yaml": "pushaside_service",
    "clients/browser/pushaside.js": "pushaside_service/browser",
    "clients/browser/pushaside.d.ts": "pushaside_service/browser",
    "clients/browser/react.js": "pushaside_service/browser",
    f"{_CHART}/LICENSE": _CHART,
    f"{_CHART}/dist/uPlot.esm.js": f"{_CHART}/dist",
    f"{_CHART}/dist/uPlot.min.css": f"{_CHART}/dist",
}
"""The folder of each file. The chart is absent where `npm ci` did not run; the page then does without."""

_FOLDERS = {
    "src": shutil.ignore_patterns("push", "__pycache__", "*.pyc"),
    "examples": shutil.ignore_patterns("__pycache__", "*.pyc", ".*"),
}
"""The folders that are copied whole, and what of them is not."""


class BuildWithService(build_py):
    """Builds the packages, then copies the other files beside them."""

    def run(self) -> None:
        """Copy nothing for an editable installation, which finds the files in the repository."""
        super().run()
        if self.editable_mode:
            return
        for name, folder in _FILES.items():
            target = Path(self.build_lib, folder)
            target.mkdir(parents=True, exist_ok=True)
            if Path(name).exists() or not name.startswith(_CHART):
                shutil.copy2(name, target)
        for name, ignored in _FOLDERS.items():
            target = Path(self.build_lib, "pushaside_service", name)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(name, target, ignore=ignored)


setup(cmdclass={"build_py": BuildWithService})
