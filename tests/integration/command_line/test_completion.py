"""`pushaside completion`: the shells complete commands and options."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from pushaside.cli.completion import SHELLS
from pushaside.cli.exits import Exit
from tests.integration.client.test_command_line import CLIENT, Outcome, run
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

shtab = pytest.importorskip("shtab")


async def script(shell: str) -> Outcome:
    return await run(
        "completion", shell, PYTHONPATH=os.pathsep.join([str(CLIENT), str(Path(shtab.__file__).parents[1])])
    )


async def read(program: str, *arguments: str, text: str) -> tuple[int | None, str, str]:
    """Have a shell read a text."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate(text.encode())
    return process.returncode, out.decode(), err.decode()


async def complete(*words: str) -> set[str]:
    """Have bash complete the last of the words."""
    line = " ".join(f"'{word}'" for word in words)
    asks = f"""
        COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; COMPREPLY=()
        "$(complete -p pushaside | sed 's/.*-F \\([^ ]*\\).*/\\1/')" pushaside "{words[-1]}" "{words[-2]}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    _, out, _ = await read("bash", "--norc", text=f"{(await script('bash')).out}\n{asks}")
    return {word.strip() for word in out.splitlines()}


async def test_bash_completes_commands() -> None:
    assert {"subscribe"} == await complete("pushaside", "sub")


async def test_bash_completes_the_options_of_a_command() -> None:
    assert "--patches" in await complete("pushaside", "subscribe", "--pa")


async def test_bash_completes_what_an_argument_can_be() -> None:
    assert set(SHELLS) == await complete("pushaside", "completion", "")


@pytest.mark.parametrize("shell", SHELLS)
async def test_each_shell_reads_its_script(shell: str) -> None:
    outcome = await script(shell)

    assert outcome.code == Exit.OK
    assert "subscribe" in outcome.out
    if program := shutil.which(shell):
        assert await read(program, "-n", text=outcome.out) == (0, "", "")
