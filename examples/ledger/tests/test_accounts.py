"""The computes and the function of changes, without a server."""

from computes.database import connect

from push.testing import Application


def write(*entries: tuple[str, str, int]) -> None:
    with connect() as database:
        database.executemany("INSERT INTO entries (account, text, cents) VALUES (?, ?, ?)", entries)


def test_the_balance_is_the_sum_of_the_entries(application: Application) -> None:
    write(("ada", "Salary", 12500), ("ada", "Rent", -8000), ("bob", "Salary", 9000))
    assert application.run("balance", account="ada").value == {"account": "ada", "entries": 2, "cents": 4500}


def test_a_statement_begins_with_the_newest_entry(application: Application) -> None:
    write(("ada", "Salary", 12500), ("ada", "Rent", -8000))
    assert [entry["text"] for entry in application.run("statement", account="ada", limit=1).value] == ["Rent"]


def changed(application: Application, **told: object) -> list[object]:
    source = {"schema": "public", "table": "entries"}
    return list(application.changes("ledger", {"source": source, **told}, partition_key='{"id":7}'))


def test_a_new_entry_changes_what_is_made_from_its_account(application: Application) -> None:
    new = {"id": 7, "account": "ada", "text": "Rent", "cents": -8000}
    tags = changed(application, op="c", before=None, after=new)
    assert tags == ["ledger:public.entries", "ledger:public.entries#7", "account:ada"]
    assert application.run("balance", account="ada").tags == ("account:ada",)


def test_an_entry_that_moves_changes_both_accounts(application: Application) -> None:
    rows = {"before": {"id": 7, "account": "ada"}, "after": {"id": 7, "account": "bob"}}
    assert {"account:ada", "account:bob"} <= set(changed(application, op="u", **rows))
