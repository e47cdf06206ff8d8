"""Tests of the computes over the table Rooms: in memory, without a server."""

import pytest

from push import ComputeFailedError, ErrorCode
from push.testing import Application

ROWS = [{"name": "kitchen", "title": "Kitchen", "about": "Recipes"}, {"name": "garden", "title": "Garden"}]


@pytest.fixture
def chat(application: Application) -> Application:
    application.table("Rooms").put(*ROWS)
    return application


def test_rooms_are_in_order_of_their_titles(chat: Application) -> None:
    assert [room["title"] for room in chat.run("rooms").value] == ["Garden", "Kitchen"]


def test_a_room_names_the_topic_of_its_channel(chat: Application) -> None:
    room = chat.run("room", name="kitchen").value
    assert room == {"name": "kitchen", "title": "Kitchen", "about": "Recipes", "topic": "chat:kitchen"}


def test_a_room_that_does_not_exist_is_not_found(chat: Application) -> None:
    with pytest.raises(ComputeFailedError, match="No room is named attic") as raised:
        chat.run("room", name="attic")
    assert raised.value.code is ErrorCode.NOT_FOUND
