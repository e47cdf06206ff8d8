// What staff sees: totals by status, the orders in one status, and all orders of a customer.

import { createElement as h, useState } from "react";
import { asMoney, CustomerView, Live, Rows } from "./customer.js";

export function StaffView() {
  const [status, setStatus] = useState("open");
  const [customer, setCustomer] = useState(null);
  return h("div", {},
    h(Live, { compute: "status_totals", params: {}, render: (totals) =>
      h("nav", { "aria-label": "Statuses" }, totals.map((each) =>
        h("button", { key: each.status, "aria-pressed": each.status === status, onClick: () => setStatus(each.status) },
          h("b", {}, each.orders), h("span", {}, each.status), h("small", {}, asMoney(each.value))))) }),
    h("section", { "aria-label": status },
      h(Live, { key: status, compute: "orders_by_status", params: { status }, render: (rows) =>
        h(Rows, { rows, showsCustomer: true, choose: (row) => setCustomer(row.customer) }) })),
    customer && h("h2", {}, `Orders of ${customer}`),
    customer && h(CustomerView, { key: customer, customer }));
}
