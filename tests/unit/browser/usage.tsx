/** What a component may do with the hooks. Each line that must not compile says so. */

import { createRoot } from "react-dom/client";
import { connect, PushasideError } from "./pushaside.js";
import { PushasideProvider, useClient, useConnectionState, useResult, useTopic } from "./react.js";

interface Order {
  id: string;
  status: "open" | "sent";
}

function Orders({ customer }: { customer?: string }) {
  const { data, error, status, isLoading, isStale, isRefreshing, ageMs, refresh } = useResult<Order[]>(
    "customer_orders",
    { customer },
    { enabled: customer !== undefined, initialData: [] },
  );
  if (error instanceof PushasideError) return <p>{error.message}</p>;
  if (isLoading || !data) return <p>{status}</p>;
  return (
    <ul className={isStale ? "stale" : ""} title={ageMs === null ? "" : `${ageMs} ms`}>
      {data.map(({ id, status }) => <li key={id}>{status}</li>)}
      <button disabled={isRefreshing} onClick={refresh}>Refresh</button>
    </ul>
  );
}

function Chat() {
  const { messages, latest, presence, publish, error, retry } = useTopic<{ text: string }>("chat:lobby", { limit: 20 });
  if (error) return <button onClick={retry}>{error.message}</button>;
  return (
    <section title={latest?.data.text}>
      <p>{presence?.count ?? 0}</p>
      {messages.map(({ position, data }) => <p key={position}>{data.text}</p>)}
      <button onClick={() => publish({ text: "hello" }).catch((error: PushasideError) => alert(error.message))} />
    </section>
  );
}

function Light() {
  const state: "connecting" | "open" | "reconnecting" | "closed" = useConnectionState();
  const client = useClient();
  return <button onClick={async () => console.log(await client.ping())}>{state}</button>;
}

const client = await connect("wss://push.example.com/v1");
const root = createRoot(document.body);
root.render(<PushasideProvider client={client}><Orders /></PushasideProvider>);
root.render(
  <PushasideProvider
    url={async () => "wss://push.example.com/v1?ticket=1"}
    token={() => undefined}
    options={{ logger: console }}
    patches={false}
    unsubscribeAfterSeconds={30}
  >
    <Orders customer="ada" />
    <Chat />
    <Light />
  </PushasideProvider>,
);
// @ts-expect-error: a client is given or made, not both
root.render(<PushasideProvider client={client} url="wss://push.example.com/v1" />);
// @ts-expect-error: it has neither
root.render(<PushasideProvider />);

export function Wrong() {
  const { data } = useResult<Order[]>("customer_orders");
  // @ts-expect-error: there may be no data yet
  data.length;
  // @ts-expect-error: the value is shared by all components
  useTopic("chat:lobby").messages.push();
  // @ts-expect-error: there is no such option
  useResult("customer_orders", {}, { ttl: 3 });
  return null;
}
