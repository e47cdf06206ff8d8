"""The template as it is written, and as SAM translates it before CloudFormation sees it."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]


class NoManagedPolicies:
    """Stands for the look-up of managed policies by name, which would ask AWS; the template names none."""

    def load(self) -> dict[str, str]:
        return {}


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    return yaml_parse((ROOT / "template.yaml").read_text())


@pytest.fixture(scope="session")
def translated(template: dict[str, Any]) -> dict[str, Any]:
    """What CloudFormation is given: every resource that SAM makes, functions' code apart."""
    from samtranslator.translator.transform import transform  # loading it would slow every collection

    source = copy.deepcopy(template)
    source["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "AWS_DEFAULT_REGION", "us-east-1")
        return transform(source, {}, NoManagedPolicies())
