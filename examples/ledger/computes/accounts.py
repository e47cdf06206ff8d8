"""Computes over the entries of an account, and what a changed entry makes stale."""

from computes.database import connect
from push import ChangeRecord, changes_of, compute


def account_tags(account: str) -> list[str]:
    """Return the tags of everything that is made from an account's entries."""
    return [f"account:{account}"]


@compute(ttl=3600.0, stale_ttl=86400.0, tags=account_tags)
def balance(account: str) -> dict:
    """Balance of an account, in cents."""
    with connect() as database:
        query = "SELECT count(*), coalesce(sum(cents), 0) FROM entries WHERE account = ?"
        entries, cents = database.execute(query, [account]).fetchone()
    return {"account": account, "entries": entries, "cents": cents}


@compute(ttl=3600.0, stale_ttl=86400.0, tags=account_tags)
def statement(account: str, limit: int = 20) -> list[dict]:
    """Entries of an account, newest first."""
    with connect() as database:
        query = "SELECT id, text, cents FROM entries WHERE account = ? ORDER BY id DESC LIMIT ?"
        rows = database.execute(query, [account, limit]).fetchall()
    return [{"id": number, "text": text, "cents": cents} for number, text, cents in rows]


@changes_of("ledger")
def changed_accounts(record: ChangeRecord) -> list[str]:
    """Name the tags of the accounts that an entry was in, and is in now."""
    if record.table != "public.entries":
        return []
    return [tag for row in (record.old, record.new) if row for tag in account_tags(row["account"])]
