"""One stack for all that the pages tell to run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.documentation.reader import Reader
from tests.e2e.conftest import running


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("reader")
    with running(folder) as stack:
        reader = Reader(stack, folder)
        reader.settle()
        yield reader
