"""`pushaside types` in an application's folder: what it writes, compares and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from pushaside.cli.main import main


def run(application: Path, *arguments: str) -> int:
    return main(["types", "--app", str(application), *arguments])


def test_it_prints_the_types_of_the_folders_computes(application: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application) == 0
    assert "greeting: { params: GreetingParams; result: GreetingResult };" in capsys.readouterr().out


def test_check_fails_when_the_file_is_out_of_date(application: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = application / "computes.d.ts"
    written = ("--output", str(output))
    assert run(application, *written, "--check") == 1
    assert run(application, *written) == 0
    assert run(application, *written, "--check") == 0
    computes = application / "computes.py"
    computes.write_text(computes.read_text().replace("name", "person"))
    before = output.read_text()
    assert run(application, *written, "--check") == 1
    assert output.read_text() == before
    assert "is out of date" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("pushaside.toml", None, "There is no pushaside.toml in"),
        ("computes.py", None, "offers the module computes, but there is neither"),
        ("computes.py", "import nowhere\n", "computes.py, line 1: No module named 'nowhere'."),
    ],
)
def test_a_folder_that_gives_no_computes_is_one_sentence_and_code_2(
    application: Path, file: str, content: str | None, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = application / file
    path.unlink() if content is None else path.write_text(content)
    assert run(application) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert expected in captured.err
    assert captured.err.count("\n") == 1


def test_a_service_that_is_not_reached_is_one_sentence_and_code_2(
    unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["types", "--url", f"ws://127.0.0.1:{unused_tcp_port}/v1", "--deadline", "5"]) == 2
    assert capsys.readouterr().err.startswith(f"pushaside: http://127.0.0.1:{unused_tcp_port}/ did not return")
