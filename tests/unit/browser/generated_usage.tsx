/** Uses the hooks with the declarations of `test_generated_types.py`; it is type-checked and never run. */

import { useResult } from "./react.js";

export function Orders({ customer }: { customer: string }) {
  const orders = useResult("customer_orders", { customer }, { live: false });
  const report = useResult("my-report");
  // @ts-expect-error  The customer is required.
  useResult("customer_orders", {});
  // @ts-expect-error  No such compute.
  useResult("customer_order", { customer });
  return <p title={report.data?.total.toFixed()}>{orders.data?.map((order) => order.lines[0]?.item ?? order.status)}</p>;
}
