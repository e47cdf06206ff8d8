"""`pushaside types`: the declarations of each form of schema, and TypeScript's judgement of their uses."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from push import compute
from push.computes import Registry
from push.computes.catalogue import describe_all
from pushaside.cli.typescript.declarations import render_declarations
from pushaside.cli.typescript.schema_types import type_of
from tests.unit.browser.test_types import REACT, STRICT
from tests.unit.browser.typescript import HERE, Compiler


class Line(msgspec.Struct):
    item: str
    count: int = 1


class Order(msgspec.Struct):
    status: Literal["open", "sent"]
    lines: list[Line]


@compute
async def customer_orders(
    customer: str, status: Literal["open", "sent"] | None = None, since: dt.date | None = None
) -> list[Order]:
    """Orders of a customer, newest first."""
    return []


class Report(msgspec.Struct):
    total: float


@compute(name="my-report")
async def typed_report() -> Report:
    """Report */ in

    three lines.
    """
    return Report(0.0)


DECLARATIONS = """\
// Written by `pushaside types`. Do not edit it: run the command again when the computes change.
import "pushaside";

export interface CustomerOrdersParams {
  customer: string;
  /** Default: null. */
  status?: "open" | "sent" | null;
  /** Default: null. */
  since?: string | null;
}

export type CustomerOrdersResult = CustomerOrdersOrder[];

export interface CustomerOrdersOrder {
  status: "open" | "sent";
  lines: CustomerOrdersLine[];
}

export interface CustomerOrdersLine {
  item: string;
  /** Default: 1. */
  count?: number;
}

export type MyReportParams = Record<string, never>;

export type MyReportResult = MyReportReport;

export interface MyReportReport {
  total: number;
}

declare module "pushaside" {
  interface Computes {
    /** Orders of a customer, newest first. */
    customer_orders: { params: CustomerOrdersParams; result: CustomerOrdersResult };
    /**
     * Report *\\/ in
     *
     * three lines.
     */
    "my-report": { params: MyReportParams; result: MyReportResult };
  }
}
"""


def declarations(module: str = "pushaside") -> str:
    return render_declarations(describe_all(Registry([typed_report, customer_orders]))["computes"], module)


def test_an_application_has_an_interface_for_each_struct_and_a_map_of_its_computes() -> None:
    assert sorted(declarations().splitlines()) == sorted(DECLARATIONS.splitlines())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (str, "string"),
        (int, "number"),
        (float, "number"),
        (bool, "boolean"),
        (None, "null"),
        (Any, "unknown"),
        (dt.datetime, "string"),
        (Annotated[int, msgspec.Meta(ge=1)], "number"),
        (Literal["b", "a"], '"a" | "b"'),
        (list[str | None], "(string | null)[]"),
        (list[Any], "unknown[]"),
        (tuple[str, int], "[string, number]"),
        (dict[str, list[int]], "Record<string, number[]>"),
        (dict, "Record<string, unknown>"),
    ],
)
def test_a_type_of_python_is_a_type_of_typescript(kind: Any, expected: str) -> None:
    assert type_of(msgspec.json.schema(kind), {}) == expected


def test_two_types_of_one_name_are_told_apart() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    computes = [{"name": name, "params": schema} for name in ("a-b", "a_b")]
    rendered = render_declarations(computes, "pushaside")
    assert "export interface ABParams {" in rendered
    assert "export interface ABParams2 {" in rendered
    assert "a_b: { params: ABParams2; result: any };" in rendered


@pytest.mark.slow
@pytest.mark.parametrize("usage", ["generated_usage.ts", "generated_usage.tsx"])
def test_typescript_permits_right_uses_and_refuses_wrong_ones(
    application: Path, typescript: Compiler, usage: str
) -> None:
    (application / "computes.d.ts").write_text(declarations("./pushaside.js"))
    (application / usage).write_text((HERE / usage).read_text())
    assert typescript.check(*STRICT, *REACT, application / "computes.d.ts", application / usage) == ""
