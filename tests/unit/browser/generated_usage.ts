/** Uses the client with the declarations of `test_generated_types.py`; it is type-checked and never run. */

import { Client, HttpClient, type Subscription } from "./pushaside.js";

export async function ask(client: Client, http: HttpClient): Promise<void> {
  const orders = await client.request("customer_orders", { customer: "ann", status: "open" });
  const status: "open" | "sent" | undefined = orders.data[0]?.status;
  const item: string | undefined = orders.data[0]?.lines[0]?.item;
  const total: { total: number } = (await client.request("my-report")).data;
  const live: Subscription<typeof orders.data> = client.subscribe({ compute: "customer_orders", params: { customer: "ann" } });
  const resource = await http.result("customer_orders", { customer: "ann" }, { deadline: 3 });
  client.subscribe("demo:news");
  await http.submit("my-report");
  console.log(status, item, total, live, resource.data[0]?.status);
  // @ts-expect-error  The customer is required.
  await client.request("customer_orders");
  // @ts-expect-error  No such status.
  await client.request("customer_orders", { customer: "ann", status: "lost" });
  // @ts-expect-error  No such param.
  await client.request("customer_orders", { customer: "ann", page: 1 });
  // @ts-expect-error  No such compute.
  await client.request("customer_order", { customer: "ann" });
  // @ts-expect-error  The customer is a string.
  client.subscribe({ compute: "customer_orders", params: { customer: 7 } });
  // @ts-expect-error  The customer is required.
  client.subscribe({ compute: "customer_orders" });
  // @ts-expect-error  Results have no such field.
  console.log(orders.data[0]?.price);
  // @ts-expect-error  The report takes no params.
  await client.request("my-report", { year: 2026 });
}
