"""The output of a plan: a JSON document, or tables and sentences for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pushaside_tools.plan import prices
from pushaside_tools.plan.advice import advise, request_increase
from pushaside_tools.plan.planning import Check, DeploymentPlan, Verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_COLOURS = {Verdict.WITHIN: "green", Verdict.NEAR: "yellow", Verdict.MEETS: "yellow", Verdict.EXCEEDS: "red"}


def plan_document(plan: DeploymentPlan) -> dict[str, object]:
    """Return the document of `--json` for a plan."""
    load = plan.load
    return {
        "type": "plan",
        "load": {name: getattr(load, name) for name in load.__slots__},
        "messages_per_second": round(plan.flow.inbound + plan.flow.pushes, 3),
        "pushes_per_second": round(plan.flow.pushes, 3),
        "seconds_to_connect": round(plan.seconds_to_connect, 3),
        "functions": [
            {
                "name": need.name,
                "invocations_per_second": round(need.invocations, 3),
                "milliseconds": need.milliseconds,
                "memory_megabytes": need.memory_megabytes,
                "concurrency": round(need.concurrency, 3),
                "seconds_to_scale": round(need.seconds_to_scale, 3),
            }
            for need in plan.functions
        ],
        "quotas": [_check_document(check) for check in plan.quotas],
        "parameters": [_check_document(check) for check in plan.parameters],
        "costs": [
            {
                "service": cost.service,
                "what": cost.what,
                "quantity": round(cost.quantity, 3),
                "unit": cost.price.unit,
                "dollars": round(cost.dollars, 2),
                "source": cost.price.page,
            }
            for cost in plan.costs
        ],
        "dollars_per_month": round(plan.dollars_per_month, 2),
        "prices": {"region": prices.REGION, "as_of": prices.AS_OF},
        "advice": advise(plan),
    }


def _check_document(check: Check) -> dict[str, object]:
    quota = check.quota
    return {
        "name": quota.parameter or quota.name,
        "needed": round(check.needed, 3),
        "limit": quota.limit,
        "unit": quota.unit,
        "verdict": check.verdict.value,
        "ask_for": check.ask_for,
        "command": request_increase(check),
        "source": quota.page,
    }


def dollars_by_service(plan: DeploymentPlan) -> dict[str, float]:
    """Return the sum of the bill by service, the most expensive first."""
    sums: dict[str, float] = {}
    for cost in plan.costs:
        sums[cost.service] = sums.get(cost.service, 0.0) + cost.dollars
    return dict(sorted(sums.items(), key=lambda pair: -pair[1]))


def describe_plan(plan: DeploymentPlan) -> str:
    """Describe a plan in plain lines."""
    parts = [
        "\n".join(f"- {sentence}" for sentence in advise(plan)),
        "\n".join(
            f"{quota:<32} {needed:>12} of {limit:>10} {unit:<16} {verdict}"
            for quota, needed, limit, unit, verdict, _ in _quota_rows(plan.quotas)
        ),
        "\n".join(
            f"{name:<32} {needed:>12} of {limit:>10} {unit:<16} {verdict}{ask and f': set {ask}'}"
            for name, needed, limit, unit, verdict, ask in _quota_rows(plan.parameters)
        ),
        "\n".join(f"{name:<12} {rate:>10}/s {busy:>10} environments" for name, rate, _, busy in _function_rows(plan)),
        "\n".join(f"{service:<28} {_money(dollars):>12}" for service, dollars in dollars_by_service(plan).items()),
        f"{'a month':<28} {_money(plan.dollars_per_month):>12}\n{_say_prices()}",
    ]
    commands = _commands(plan)
    return "\n\n".join([*parts, *(["\n".join(commands)] if commands else [])])


def draw_plan(plan: DeploymentPlan, console: Console) -> None:
    """Print a plan on a terminal, with tables."""
    for sentence in advise(plan):
        console.print(f"• {sentence}", markup=False, soft_wrap=False)
    console.print()
    console.print(_draw_checks("AWS quotas", plan.quotas, "request"))
    console.print(_draw_checks("Template parameters", plan.parameters, "set"))
    console.print(_draw_functions(plan))
    console.print(_draw_costs(plan))
    console.print(_say_prices(), style="dim", markup=False)
    if commands := _commands(plan):
        console.print("\nTo request increases from AWS:", style="bold")
        for command in commands:
            # Do not wrap commands, so that they can be copied.
            console.print(f"  {command}", markup=False, soft_wrap=True)


def _draw_checks(title: str, checks: list[Check], ask: str) -> Table:
    from rich.text import Text

    table = _table(title, ["", ">needed", ">limit", "", "", f">{ask}"])
    for check, row in zip(checks, _quota_rows(checks), strict=True):
        name, needed, limit, unit, verdict, wanted = row
        table.add_row(name, needed, limit, unit, Text(verdict, style=_COLOURS[check.verdict]), wanted)
    return table


def _draw_functions(plan: DeploymentPlan) -> Table:
    table = _table("Lambda functions", ["", ">invocations/s", ">each", ">environments"])
    for row in _function_rows(plan):
        table.add_row(*row)
    table.add_row("total", "", "", f"{plan.concurrency:,.1f}", style="bold")
    return table


def _draw_costs(plan: DeploymentPlan) -> Table:
    table = _table("A month's bill", ["service", "what", ">quantity", "", ">dollars"])
    for service, dollars in dollars_by_service(plan).items():
        table.add_section()
        table.add_row(service, "", "", "", _money(dollars), style="bold")
        for cost in (cost for cost in plan.costs if cost.service == service):
            table.add_row("", cost.what, _quantity(cost.quantity), cost.price.unit, _money(cost.dollars), style="dim")
    table.add_section()
    table.add_row("sum", "", "", "", _money(plan.dollars_per_month), style="bold")
    return table


def _table(title: str, columns: list[str]) -> Table:
    """Return an empty table. A column whose name begins with `>` is aligned right."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
    return table


def _quota_rows(checks: list[Check]) -> list[tuple[str, str, str, str, str, str]]:
    return [
        (
            check.quota.parameter or check.quota.name,
            _quantity(check.needed),
            f"{check.quota.limit:,.0f}",
            check.quota.unit,
            f"{check.verdict.value} ({check.share:.0%})",
            "" if check.ask_for is None else f"{check.ask_for:,}",
        )
        for check in checks
    ]


def _function_rows(plan: DeploymentPlan) -> list[tuple[str, str, str, str]]:
    return [
        (need.name, _quantity(need.invocations), f"{need.milliseconds:g} ms", f"{need.concurrency:,.1f}")
        for need in plan.functions
    ]


def _commands(plan: DeploymentPlan) -> list[str]:
    """Return the commands that request increases: for each quota the highest one."""
    wanted: dict[str, tuple[float, str]] = {}
    for check in plan.quotas:
        command = request_increase(check)
        if command is not None:
            amount = float(command.rpartition(" ")[2])
            if amount > wanted.get(check.quota.code, (0.0, ""))[0]:
                wanted[check.quota.code] = (amount, command)
    return [command for _, command in wanted.values()]


def _say_prices() -> str:
    return f"List prices of {prices.REGION}, {prices.AS_OF}, without free tiers; docs/cost.md links to the price pages."


def _quantity(value: float) -> str:
    """Format a quantity with as many digits as are useful.

    >>> _quantity(0), _quantity(0.25), _quantity(1234.5), _quantity(26_280_000_000)
    ('0', '0.25', '1,234', '26.28 billion')
    """
    if value >= 1e12:
        return f"{value / 1e12:,.2f} trillion"
    if value >= 1e9:
        return f"{value / 1e9:,.2f} billion"
    if value >= 1e6:
        return f"{value / 1e6:,.2f} million"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _money(dollars: float) -> str:
    return f"{dollars:,.2f}"
