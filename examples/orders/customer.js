// The orders of one customer, and how far each has come.

import { createElement as h, useState } from "react";
import { useResult } from "./react.js";

export const STATUSES = ["open", "packed", "shipped", "delivered"];
const money = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" });
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });

export const asMoney = (value) => money.format(value);

/** Show a live result by `render` once it is there, and the reason until then if there will be none. */
export function Live({ compute, params, render }) {
  const { data, error, isStale } = useResult(compute, params);
  if (data === undefined) return h("p", { role: error ? "alert" : "status" }, error ? error.message : "Loading");
  return h("div", { className: isStale ? "stale" : "" }, render(data));
}

export function CustomerView({ customer }) {
  const [number, setNumber] = useState(null);
  return h("div", { className: "split" },
    h("section", { "aria-label": "Orders" },
      h(Live, { compute: "customer_orders", params: { customer }, render: (rows) =>
        h(Rows, { rows, chosen: number, choose: (row) => setNumber(row.number) }) })),
    number !== null && h("section", { "aria-label": "Order" },
      h(Live, { compute: "order", params: { customer, number }, render: (row) => h(Order, { row }) })));
}

export function Rows({ rows, chosen, choose, showsCustomer = false }) {
  if (rows.length === 0) return h("p", {}, "No orders");
  return h("ul", { className: "rows" }, rows.map((row) =>
    h("li", { key: `${row.customer}/${row.number}` },
      h("button", { "aria-pressed": row.number === chosen, onClick: () => choose(row) },
        h("span", { className: "item" }, row.item),
        h("span", {}, showsCustomer ? row.customer : `#${row.number}`),
        h("span", {}, day.format(new Date(row.placed_at))),
        h("span", { className: `status ${row.status}` }, row.status),
        h("span", { className: "total" }, asMoney(row.total))))));
}

export function Order({ row }) {
  const reached = STATUSES.indexOf(row.status);
  return h("article", {},
    h("h2", {}, `${row.item} · #${row.number}`),
    h("p", {}, `${row.customer}, ${day.format(new Date(row.placed_at))}, ${asMoney(row.total)}`),
    h("ol", { className: "steps" }, STATUSES.map((status, index) =>
      h("li", { key: status, className: index <= reached ? "reached" : "" }, status))));
}
