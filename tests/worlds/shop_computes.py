"""The computes of a shop, each of which reads its sources in another way, and what each should have read when.

The value of a compute has parts. Each part names what it was read from, so that a test can tell since when the source
was so: rows and prices have numbers that do not recur.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Protocol

from push import ComputeFailedError, Context, TransientError
from push.changes.declaring import ChangeFunction, changes_of
from push.changes.records import ChangeRecord
from push.computes import AnyCompute, Computed, Tenant, compute
from push.testing.tables import MemoryTable
from tests.fakes.invocations import stop_here

CUSTOMERS, DAYS, STATUSES = ("ann", "bob"), ("2026-11-28", "2026-11-29", "2026-12-01"), ("open", "sent")
TENANTS = (Tenant("acme"), Tenant("globex"))
KEYS: dict[str, Any] = {"partition": "customer", "sort": "order", "indexes": {"by-status": ("status", "order")}}

QUESTIONS = (
    ("order", "ann", TENANTS[0]),
    ("order", "ann", TENANTS[1]),
    ("month", "ann", TENANTS[0]),
    ("newest", "open", TENANTS[1]),
    ("listed", "open", TENANTS[0]),
    ("listed", "sent", TENANTS[0]),
    ("offer", "ann", TENANTS[0]),
    ("offer", "ann", TENANTS[1]),
    ("prices", "any", TENANTS[0]),
    ("numbers", "ann", TENANTS[0]),
    ("everything", "any", TENANTS[1]),
    ("stock", "any", TENANTS[0]),
)
"""Each a compute, its only parameter, and the tenant of who asks."""


def order_of(customer: str, day: str) -> str:
    """Return the order of a customer and a day: no two have the same, so every index has one order of its rows."""
    return f"{day} {customer}"


Rows = dict[tuple[str, str], dict[str, Any]]
Price = tuple[Tenant | None, str]


@dataclass(frozen=True)
class State:
    """What all sources held at a moment."""

    rows: Rows = field(default_factory=dict)
    prices: dict[Price, int] = field(default_factory=dict)
    """By scope and name."""
    stock: int = 0

    def part(self, name: str) -> object:
        """Return what a part should be that was read at this moment."""
        kind, _, of = name.partition("/")
        rows = [row for _, row in sorted(self.rows.items())]
        match kind:
            case "row":
                return self.rows.get((of, order_of(of, DAYS[0])))
            case "month":
                return [row for row in rows if row["customer"] == of and row["order"].startswith("2026-11")]
            case "newest":
                return sorted((row for row in rows if row.get("status") == of), key=itemgetter("order"))[-1:]
            case "listed":
                november = (row for row in rows if row.get("status") == of and row["order"].startswith("2026-11"))
                return sorted(november, key=itemgetter("order"))
            case "numbers":
                return [row["number"] for row in rows if row["customer"] == of]
            case "everything":
                return rows
            case "stock":
                return self.stock
            case "price":
                scope, _, price = of.partition("/")
                return self.prices.get((Tenant(scope) if scope else None, price), 0)
        raise LookupError(name)


class Sources(Protocol):
    """What computes read beside the table of the context."""

    state: State
    orders: MemoryTable
    stock_lag: int
    failing_functions: int


class LaggingTable(MemoryTable):
    """A table whose index shows the rows of an earlier moment; readers stop before and after they read."""

    def __init__(self) -> None:
        super().__init__("Orders", **KEYS)
        self._index = MemoryTable("Orders", **KEYS)

    def follow(self) -> None:
        """Have the index show the rows of now."""
        self._index = self.followed()

    def followed(self) -> MemoryTable:
        """Return a table of these rows whose index does not lag."""
        table = MemoryTable("Orders", **KEYS)
        table.put(*self._rows.values())
        return table

    async def get(self, key: Any) -> Any:
        return await self._stopping(super().get(key))

    async def query(self, partition: Any, *, index: str | None = None, **options: Any) -> Any:
        table = super() if index is None else self._index
        return await self._stopping(table.query(partition, index=index, **options))

    async def scan(self) -> Any:
        return await self._stopping(super().scan())

    @staticmethod
    async def _stopping(read: Awaitable[Any]) -> Any:
        try:
            await stop_here()
        except BaseException:
            read.close()  # type: ignore[attr-defined]
            raise
        rows = await read
        await stop_here()
        return rows


def make_computes(sources: Sources) -> list[AnyCompute]:
    """Return the computes; none fails by itself, so none has a short timeout."""
    return [*_of_reads(), *_of_tags(sources)]


def _of_reads() -> list[AnyCompute]:
    @compute(ttl=10.0, stale_ttl=60.0, failure_ttl=10.0, timeout=100_000)
    async def order(context: Context, text: str) -> Any:
        row = await context.table("Orders").get({"customer": text, "order": order_of(text, DAYS[0])})
        if row is None:
            raise ComputeFailedError("There is no such order.")
        return {"tenant": context.tenant, "parts": {f"row/{text}": row}}

    @compute(ttl=10.0, stale_ttl=60.0, timeout=100_000)
    async def month(context: Context, text: str) -> Any:
        rows = await context.table("Orders").query({"customer": text}, begins_with={"order": "2026-11"})
        return {"tenant": context.tenant, "parts": {f"month/{text}": rows}}

    @compute(ttl=10.0, stale_ttl=60.0, scope="shared", timeout=100_000)
    async def newest(context: Context, text: str) -> Any:
        orders = context.table("Orders")
        found = await orders.query({"status": text}, index="by-status", newest_first=True, limit=1)
        return {"parts": {f"newest/{text}": found}}

    @compute(ttl=10.0, stale_ttl=60.0, timeout=100_000)
    async def listed(context: Context, text: str) -> Any:
        november = {"order": ("2026-11-01", "2026-11-31")}
        found = await context.table("Orders").query({"status": text}, index="by-status", between=november)
        return {"tenant": context.tenant, "parts": {f"listed/{text}": found}}

    @compute(ttl=10.0, stale_ttl=60.0, scope="shared", timeout=100_000)
    async def everything(context: Context, text: str) -> Any:
        rows = await context.table("Orders").scan()
        return {"parts": {"everything": sorted(rows, key=lambda row: (row["customer"], row["order"]))}}

    return [order, month, newest, listed, everything]


def _of_tags(sources: Sources) -> list[AnyCompute]:
    async def read(part: str) -> object:
        await stop_here()
        found = sources.state.part(part)
        await stop_here()
        return found

    @compute(ttl=10.0, stale_ttl=60.0, timeout=100_000)
    async def offer(context: Context, text: str) -> Any:
        """Name a tag that only the row tells."""
        row = await context.table("Orders").get({"customer": text, "order": order_of(text, DAYS[0])})
        price = "none" if row is None else row.get("status", "none")
        part = f"price/{context.tenant}/{price}"
        number = await read(part)
        context.depends_on(f"price:{price}")
        return {"tenant": context.tenant, "parts": {f"row/{text}": row, part: number}}

    @compute(ttl=10.0, stale_ttl=60.0, scope="shared", tags=("price:sent",), timeout=100_000)
    async def prices(context: Context, text: str) -> Any:
        """Have a tag that is known before, and name another when all is read."""
        parts = {f"price//{name}": await read(f"price//{name}") for name in STATUSES}
        return Computed({"parts": parts}, tags=("price:open",))

    @compute(ttl=10.0, stale_ttl=60.0, tags=lambda params: (f"customer:{params.text}",), timeout=100_000)
    async def numbers(context: Context, text: str) -> Any:
        """Read past the context; a function of the changes names the tag."""
        return {"tenant": context.tenant, "parts": {f"numbers/{text}": await read(f"numbers/{text}")}}

    @compute(ttl=10.0, stale_ttl=86_400.0, tags=("stock",), timeout=100_000)
    async def stock(context: Context, text: str) -> Any:
        """Read a replica that may lag, and tell how new its state is."""
        await stop_here()
        number = max(0, sources.state.stock - sources.stock_lag)
        await stop_here()
        return Computed({"tenant": context.tenant, "parts": {"stock": number}}, source_version=number)

    return [offer, prices, numbers, stock]


def make_change_function(sources: Sources) -> ChangeFunction:
    """Return the author's function of the changes of the table."""

    @changes_of("Orders")
    async def customer_of(record: ChangeRecord) -> list[str]:
        if sources.failing_functions:
            sources.failing_functions -= 1
            raise TransientError("Later.")
        assert record.key is not None
        return [f"customer:{record.key['customer']}"]

    return customer_of
