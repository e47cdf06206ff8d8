import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { test } from "node:test";

import { Service, settle, until } from "./service.mjs";

/** Ask for a stream and collect what it brings. */
async function stream(options = {}, request = {}) {
  const service = new Service();
  const client = await service.connect(options);
  service.welcome();
  const steps = Object.assign([], { error: undefined, isOver: false });
  const running = client.stream("documents", { ids: ["TX"] }, request);
  (async () => {
    for await (const step of running) steps.push(step);
  })().then(
    () => (steps.isOver = true),
    (error) => (steps.error = error),
  );
  await settle();
  return { service, client, steps, running };
}

const stages = (steps) => steps.map((each) => each.stage ?? "result");

test("it tells that the request is sent and accepted, and at last the result", async () => {
  const { service, steps } = await stream();
  const { id } = service.socket.asked("request");
  const sent = { stage: "sent", attempt: 1, received: 0, expected: null, unit: "pieces", share: null };
  assert.deepEqual([...steps], [sent]);
  service.socket.say({ type: "accepted", id });
  service.socket.say({ type: "accepted", id });
  await settle();
  service.socket.say(service.result({ data: 7 }));
  await settle();
  assert.deepEqual(stages(steps), ["sent", "accepted", "result"]);
  assert.equal(steps[2].data, 7);
  assert.ok(steps.isOver);
});

test("it counts the pieces", async () => {
  const { service, steps } = await stream();
  const text = JSON.stringify(service.result({ data: "in pieces" }));
  const { id } = service.socket.asked("request");
  const half = Math.ceil(text.length / 2);
  for (const index of [1, 1, 0]) {
    const data = text.slice(index * half, (index + 1) * half);
    service.socket.say({ type: "chunk", id, index, count: 2, of: "a", data });
    await settle();
  }
  const received = steps.filter((each) => each.stage === "receiving").map((each) => [each.received, each.share]);
  assert.deepEqual(received, [[1, 0.5], [1, 0.5], [2, 1]]);
  assert.equal(steps.at(-1).data, "in pieces");
});

test("it counts the bytes of what is behind a link", async () => {
  const body = JSON.stringify("behind a link");
  const headers = { "content-length": `${body.length}` };
  const { service, steps } = await stream({ fetch: async () => new Response(body, { headers }) });
  service.socket.say(service.result({ data: undefined, url: "https://links/1", etag: "not a hash" }));
  await until(() => steps.isOver);
  const last = steps.findLast((each) => each.stage === "fetching");
  assert.deepEqual(last, { stage: "fetching", attempt: 1, received: 15, expected: 15, unit: "bytes", share: 1 });
});

test("how long compressed data is going to be is not known", async () => {
  const headers = { "content-length": "10", "content-encoding": "gzip" };
  const { service, steps } = await stream({ fetch: async () => new Response('"x"', { headers }) });
  service.socket.say(service.result({ data: undefined, url: "https://links/1", etag: "not a hash" }));
  await until(() => steps.isOver);
  assert.equal(steps.findLast((each) => each.stage === "fetching").expected, null);
});

test("it tells each attempt", async () => {
  const { service, steps } = await stream();
  service.socket.drop();
  await service.clock.advance(1);
  assert.deepEqual(steps.map((each) => [each.stage, each.attempt]), [["sent", 1], ["sent", 2]]);
});

test("who takes late gets the newest of each stage", async () => {
  const service = new Service();
  const client = await service.connect();
  service.welcome();
  const running = client.stream("documents");
  const first = await running.next();
  const { id } = service.socket.asked("request");
  for (let index = 0; index < 50; index += 1)
    service.socket.say({ type: "chunk", id, index, count: 100, of: "a", data: " " });
  const rest = [(await running.next()).value, (await running.next()).value];
  assert.deepEqual([first.value.stage, ...stages(rest)], ["sent", "accepted", "receiving"]);
  assert.equal(rest[1].received, 50);
  await running.return();
});

test("an error is thrown at the end", async () => {
  const { service, steps } = await stream();
  const error = { code: "compute_failed", message: "No.", retryable: false };
  service.socket.say({ type: "error", id: service.socket.asked("request").id, error });
  await settle();
  assert.equal(steps.error.code, "compute_failed");
});

test("leaving the loop gives the request up", async () => {
  const service = new Service();
  const client = await service.connect();
  service.welcome();
  const before = service.clock.size;
  for await (const { stage } of client.stream("documents")) if (stage === "sent") break;
  assert.equal(service.clock.size, before);
  service.socket.say(service.result({ data: 1 }));
});

test("aborting its signal ends it with the reason", async () => {
  const controller = new AbortController();
  const { steps } = await stream({}, { signal: controller.signal });
  controller.abort(new Error("enough"));
  await settle();
  assert.equal(steps.error.message, "enough");
});

test("so many links are followed at once, and who is done hands his place on", async () => {
  const service = new Service();
  const open = [];
  const fetch = () => new Promise((resolve) => open.push(resolve));
  const client = await service.connect({ fetch, maxFetches: 2 });
  service.welcome();
  const controller = new AbortController();
  const asked = [1, 2, 3, 4].map((each) => {
    const result = client.request("documents", { each }, each === 3 ? { signal: controller.signal } : {});
    service.socket.say(service.result({ data: undefined, url: "https://links/1", etag: "" }));
    return result;
  });
  asked[2].catch(() => {});
  await settle();
  assert.equal(open.length, 2);
  controller.abort();
  for (let done = 0; done < 4; done += 1) {
    await until(() => open.length > done);
    open[done](new Response("1"));
  }
  for (const index of [0, 1, 3]) assert.equal((await asked[index]).data, 1);
});

test("data in base64 come through as they are", async () => {
  const { service, steps } = await stream();
  const data = gzipSync('{"a":1}').toString("base64");
  service.socket.say(service.result({ encoding: "gzip+base64", data }));
  await until(() => steps.isOver);
  assert.deepEqual(steps.at(-1).data, { a: 1 });
});
