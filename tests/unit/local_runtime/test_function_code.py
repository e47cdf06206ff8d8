"""Functions are run from the folders that the template names."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.errors import CannotStartError
from local.functions.code_folder import locate_code


def function(**properties: object) -> dict[str, object]:
    return {"Type": "AWS::Serverless::Function", "Properties": properties}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("src", "other", "layer"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_a_folder_is_relative_to_the_template(folder: Path) -> None:
    found = locate_code({"Resources": {"F": function(CodeUri="src/")}}, folder / "template.yaml")
    assert found["F"].folder == folder / "src"


def test_a_function_without_a_folder_has_the_global_one(folder: Path) -> None:
    template = {
        "Globals": {"Function": {"CodeUri": "src"}},
        "Resources": {"F": function(), "G": function(CodeUri="other")},
    }
    found = locate_code(template, folder / "template.yaml")
    assert (found["F"].folder, found["G"].folder) == (folder / "src", folder / "other")


def test_layers_of_the_template_are_found(folder: Path) -> None:
    layer = {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "layer"}}
    layers = [{"Ref": "Layer"}, "arn:aws:lambda:us-east-1:017000801446:layer:AWSLambdaPowertoolsPythonV3:1"]
    template = {"Resources": {"Layer": layer, "F": function(CodeUri="src", Layers=layers)}}
    assert locate_code(template, folder / "template.yaml")["F"].layers == (folder / "layer" / "python",)


@pytest.mark.parametrize("location", ["s3://bucket/key", {"Bucket": "b", "Key": "k"}, "absent"])
def test_code_that_is_not_here_is_refused(folder: Path, location: object) -> None:
    with pytest.raises(CannotStartError, match=r"^The code"):
        locate_code({"Resources": {"F": function(CodeUri=location)}}, folder / "template.yaml")
