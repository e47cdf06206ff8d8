"""Tests of the application on this machine, by two clients with names: `pushaside local` is started once."""

import pytest

from push.testing import LocalApplication
from pushaside import ForbiddenError, sync

SECONDS = 30.0
"""More than any answer takes."""


@pytest.fixture(scope="module")
def ada(pushaside_local: LocalApplication):
    with sync.connect(pushaside_local.websocket, token=pushaside_local.token("ada")) as client:
        yield client


@pytest.fixture(scope="module")
def ben(pushaside_local: LocalApplication):
    with sync.connect(pushaside_local.websocket, token=pushaside_local.token("ben")) as client:
        yield client


def test_rooms_come_from_the_table(ada: sync.Client) -> None:
    assert [room["topic"] for room in ada.request("rooms").data] == ["chat:garden", "chat:kitchen"]


def test_a_room_that_is_added_shows(pushaside_local: LocalApplication, ada: sync.Client) -> None:
    with ada.subscribe(compute="rooms") as rooms:
        before = rooms.take(SECONDS).data
        pushaside_local.table("Rooms").put_item(Item={"name": "yard", "title": "Zen yard"})
        assert rooms.take(SECONDS).data == [
            *before,
            {"name": "yard", "title": "Zen yard", "about": "", "topic": "chat:yard"},
        ]
        pushaside_local.table("Rooms").delete_item(Key={"name": "yard"})
        assert rooms.take(SECONDS).data == before


def test_a_message_reaches_the_others_in_the_room(ada: sync.Client, ben: sync.Client) -> None:
    with ben.subscribe("chat:garden") as garden:
        ada.publish("chat:garden", {"text": "hello"})
        assert garden.take(SECONDS).data == {"text": "hello"}


def test_a_client_that_joins_late_reads_the_history(ada: sync.Client, ben: sync.Client) -> None:
    position = ada.publish("chat:kitchen", {"text": "first"})
    ada.publish("chat:kitchen", {"text": "second"})
    epoch = position.partition(":")[0]
    with ben.subscribe("chat:kitchen", since=f"{epoch}:0") as kitchen:
        assert [kitchen.take(SECONDS).data["text"] for _ in range(2)] == ["first", "second"]


def test_a_room_says_who_comes_and_who_goes(ada: sync.Client, ben: sync.Client) -> None:
    with ben.subscribe("chat:attic") as attic:
        with ada.subscribe("chat:attic"):
            while "ada" not in attic.take_presence(SECONDS).joined:
                """Ben himself comes first."""
        assert attic.take_presence(SECONDS).left == ("ada",)


def test_nobody_publishes_outside_of_the_rooms(ada: sync.Client) -> None:
    with pytest.raises(ForbiddenError):
        ada.publish("news:today", {"text": "hello"})
