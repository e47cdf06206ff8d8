/** Uses all that the types say, as a caller would; it is type-checked and never run. */

import {
  Client, HttpClient, PushasideError, Subscription, connect, connections,
  type Metrics, type Options, type Presence, type Progress, type Resource, type Result, type Update,
} from "../../../clients/browser/pushaside.js";

type Airport = { name: string; state: string };

const metrics: Metrics = {
  connected: (seconds) => console.log(seconds.toFixed(3)),
  disconnected: (code, why) => console.log(code === null ? why : code.toFixed()),
  requestDone: (compute, outcome, cache, seconds) => console.log(compute, outcome, cache ?? "none", seconds),
};

const options: Options = {
  token: async () => "a fresh one", acceptGzip: false, reconnectAttempts: 3, maxFetches: 2, metrics, logger: console,
};

export async function ask(signal: AbortSignal): Promise<Airport[]> {
  const client: Client = await connect(async () => "wss://push.example.com/v1", { ...options, signal });
  client.addEventListener("statechange", () => console.log(client.state === "open", client.isClosed));
  const times = { deadline: 5, maxAge: 0 };
  const result: Result<Airport[]> = await client.request<Airport[]>("documents", { ids: ["TX"] }, times);
  const position: string = await client.publish("demo:news", null, { signal });
  const seconds: number = await client.ping({ deadline: 1 });
  console.log(result.data[0]?.name, position, seconds);
  // @ts-expect-error  Results are frozen.
  result.data = [];
  // @ts-expect-error  The name of the option is another.
  await client.request("documents", {}, { max_age: 1 });
  for await (const each of client.stream<Airport[]>("documents")) {
    if ("stage" in each) show(each);
    else return each.data;
  }
  await client.waitClosed();
  return [];
}

function show({ stage, attempt, received, expected, unit, share }: Progress): void {
  console.log(stage === "fetching", attempt, received, expected ?? "?", unit === "bytes", share ?? 0);
}

export async function follow(client: Client): Promise<void> {
  const board: Subscription<number[]> = client.subscribe<number[]>(
    { compute: "leaderboard", params: { board: "demo" } },
    { since: null, patches: true },
  );
  board.addEventListener("presence", ({ detail }) => {
    const presence: Presence = detail;
    console.log(presence.count, presence.joined[0]?.length);
  });
  board.addEventListener("change", (event: Event) => console.log(event.type, board.holds));
  await (await board.ready()).changed();
  for await (const update of board) {
    const { data, isResync }: Update<number[]> = update;
    console.log(data[0], isResync, board.value?.length, board.failure?.code, board.topic, board.position);
  }
  // @ts-expect-error  Either a topic or a compute is subscribed to.
  client.subscribe({ params: {} });
  client.subscribe("demo:news", { since: "e:1", signal: AbortSignal.timeout(1000) }).close();
}

export async function forEver(): Promise<void> {
  for await (const client of connections("ws://127.0.0.1:8080/v1", options)) await client.waitClosed();
}

export async function withoutSocket(): Promise<Airport[]> {
  const http = new HttpClient("http://127.0.0.1:8080/", { token: "t", maxRetries: 1 });
  const deliver = { webhook: "https://a.example/" };
  const { id, status } = await http.submit("documents", {}, { deliver, requestDeadline: 60 });
  const { outcome, retryAfterMs, delivery } = await http.look<Airport[]>(id, { wait: 5 });
  if (outcome instanceof PushasideError) throw outcome;
  console.log(status, outcome?.data[0]?.name, retryAfterMs, delivery.state);
  const known: Resource<Airport[]> = await http.result<Airport[]>("documents", {});
  const again = await http.result("documents", {}, { known, deadline: 5 });
  // @ts-expect-error  A result goes to one place.
  await http.submit("documents", {}, { deliver: { post: "https://a.example/" } });
  await http.changed(["rates"], { scope: "tenant", tenant: "acme", deadline: 5 });
  // @ts-expect-error  There is no such scope.
  await http.changed(["rates"], { scope: "everything" });
  const secrets: readonly string[] = await http.webhookSecrets();
  return secrets.length ? again.data : (await http.wait<Airport[]>(id)).data;
}

export function explain(error: unknown): string {
  if (!(error instanceof PushasideError)) throw error;
  const isKnown: boolean = error.code === "rate_limited";
  return `${isKnown} ${error.message} ${error.retryable} ${error.retryAfterMs ?? 0} ${error.status ?? 0}`;
}
