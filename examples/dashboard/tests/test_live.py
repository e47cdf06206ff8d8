"""Tests of the application on this machine, by a client: `pushaside local` is started once."""

import re
from contextlib import ExitStack
from pathlib import Path

from push.testing import Application, LocalApplication
from pushaside import sync

SECONDS = 30.0
"""More than any answer takes."""

PAGE = Path(__file__).parents[1] / "widgets.js"


def test_all_widgets_are_pushed_over_one_socket(application: Application, pushaside_local: LocalApplication) -> None:
    with ExitStack() as open_together:
        client = open_together.enter_context(sync.connect(pushaside_local.websocket))
        widgets = [open_together.enter_context(client.subscribe(compute=name)) for name in application.registry.by_name]
        assert all(widget.take(SECONDS).data for widget in widgets)


def test_a_number_is_computed_from_the_documents(pushaside_local: LocalApplication) -> None:
    with sync.connect(pushaside_local.websocket) as client:
        assert client.request("revenue_today").data == {"value": 6328, "unit": "€", "before": 6420}


def test_the_page_shows_every_widget(application: Application) -> None:
    assert set(re.findall(r'\["(\w+)", ', PAGE.read_text())) == set(application.registry.by_name)
