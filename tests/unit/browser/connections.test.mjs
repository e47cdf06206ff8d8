import assert from "node:assert/strict";
import { test } from "node:test";

import { PushasideError, connections } from "../../../clients/browser/pushaside.js";
import { CHANNEL, Service, collect, settle } from "./service.mjs";

/** Counts what the hooks are told. */
class Told {
  all = [];

  constructor() {
    for (const name of ["connected", "disconnected", "requestDone", "updateTaken", "askedAgain"])
      this[name] = (...what) => this.all.push([name, ...what]);
  }

  of(name) {
    return this.all.filter(([each]) => each === name).map(([, ...what]) => what);
  }
}

/** Take clients for as long as the test wants: `next` asks for another. */
function iterate(service, options = {}) {
  const ready = service.connect(options); // gives the class of its sockets
  return ready.then((first) => {
    first.close();
    const { constructor: WebSocket } = service.socket;
    return connections("ws://service/v1", { WebSocket, clock: service.clock, random: () => 0.5, ...options });
  });
}

async function take(service, clients, seconds = 0.1) {
  let got;
  clients.next().then(
    (next) => (got = next),
    (error) => (got = { error }),
  );
  await service.clock.advance(seconds);
  return got;
}

test("a client is closed when the next one is asked for", async () => {
  const service = new Service();
  const clients = await iterate(service);
  const { value: first } = await take(service, clients);
  assert.equal(first.state, "open");
  const { value: second } = await take(service, clients);
  assert.notEqual(first, second);
  assert.deepEqual([first.state, first.isClosed, second.state], ["closed", true, "open"]);
  await clients.return();
  assert.equal(second.state, "closed");
});

test("one that was sent away is waited after, and followed by another", async () => {
  const service = new Service();
  const clients = await iterate(service);
  const { value: first } = await take(service, clients);
  const sockets = service.sockets.length;
  let isOver = false;
  first.waitClosed().then(() => (isOver = true));
  await settle();
  assert.equal(isOver, false);
  service.socket.say({ type: "bye", code: 4000, retry: false, after_ms: 0 });
  await settle();
  assert.equal(isOver, true);
  assert.equal(await take(service, clients, 0.2), undefined);
  assert.equal(service.sockets.length, sockets);
  await service.clock.advance(0.1);
  assert.equal(service.sockets.length, sockets + 1);
});

test("who can't be reached is tried again for ever", async () => {
  const service = new Service();
  const clients = await iterate(service, { connectAttempts: 1, backoffCapSeconds: 1 });
  service.isUp = false;
  const got = clients.next();
  await service.clock.advance(20);
  service.isUp = true;
  await service.clock.advance(1);
  assert.equal((await got).value.state, "open");
});

test("an error that will not pass is thrown", async () => {
  const service = new Service();
  const clients = await iterate(service);
  await clients.return();
  const { constructor: WebSocket } = service.socket;
  const token = () => Promise.reject(new PushasideError("unauthorized", "Sign in again."));
  const refused = connections("ws://service/v1", { WebSocket, clock: service.clock, token });
  assert.equal((await take(service, refused)).error.code, "unauthorized");
});

test("aborting its signal ends it", async () => {
  const service = new Service();
  const controller = new AbortController();
  const clients = await iterate(service, { signal: controller.signal, connectAttempts: 1 });
  service.isUp = false;
  const got = clients.next();
  await service.clock.advance(2);
  controller.abort();
  assert.deepEqual(await got, { value: undefined, done: true });
  assert.equal(service.clock.size, 0);
});

test("a ping measures the round trip", async () => {
  const service = new Service();
  const client = await service.connect();
  service.welcome();
  const pinged = client.ping();
  await service.clock.advance(2);
  service.socket.say({ type: "pong" });
  assert.equal(await pinged, 2);
  assert.deepEqual(service.socket.asked("ping"), { action: "ping" });
});

test("pongs answer pings in their order", async () => {
  const service = new Service();
  const client = await service.connect();
  service.welcome();
  const first = client.ping();
  await service.clock.advance(1);
  const second = client.ping();
  await service.clock.advance(1);
  service.socket.say({ type: "pong" });
  await service.clock.advance(1);
  service.socket.say({ type: "pong" });
  assert.deepEqual([await first, await second], [2, 2]);
});

test("a ping without a pong fails at its deadline, and one without a route at once", async () => {
  const service = new Service();
  const client = await service.connect();
  service.welcome();
  const request = client.request("documents");
  const forbidden = assert.rejects(client.ping(), { code: "forbidden" });
  service.socket.say({ message: "Forbidden", connectionId: "c", requestId: "r" });
  await forbidden;
  const late = assert.rejects(client.ping({ deadline: 2 }), { code: "timeout" });
  await service.clock.advance(2);
  await late;
  service.socket.say(service.result({ data: 1 }));
  assert.equal((await request).data, 1);
});

test("metrics are told of connections, of requests and how they end, and of updates", async () => {
  const service = new Service();
  const metrics = new Told();
  const client = await service.connect({ metrics });
  service.welcome();
  assert.deepEqual(metrics.of("connected"), [[0.001]]);
  const request = client.request("documents");
  service.socket.drop();
  await service.clock.advance(1);
  assert.deepEqual(metrics.of("disconnected"), [[null, "The connection was lost."]]);
  assert.deepEqual(metrics.of("askedAgain"), [["documents", 2]]);
  service.socket.say(service.result({ data: 1 }));
  await request;
  assert.deepEqual(metrics.of("requestDone"), [["documents", "result", "hit", 1]]);
  const updates = collect(client.subscribe(CHANNEL));
  service.subscribed("e:0");
  service.update("e:1", 1);
  service.update("e:2", 2);
  await settle();
  assert.deepEqual(metrics.of("updateTaken"), [[CHANNEL, 1], [CHANNEL, 0]]);
  assert.equal(updates.length, 2);
  client.close();
  assert.deepEqual(metrics.of("disconnected")[1], [1000, "The client closed the connection."]);
});

test("metrics are told of requests that fail or are given up", async () => {
  const service = new Service();
  const metrics = new Told();
  const client = await service.connect({ metrics });
  service.welcome();
  const controller = new AbortController();
  const given = client.request("documents", {}, { signal: controller.signal });
  const late = client.request("documents", {}, { deadline: 2 });
  controller.abort();
  await Promise.allSettled([given]);
  await Promise.all([assert.rejects(late), service.clock.advance(3)]);
  assert.deepEqual(metrics.of("requestDone"), [["documents", "cancelled", null, 0], ["documents", "timeout", null, 2]]);
});

test("what a hook throws is logged and changes nothing", async () => {
  const service = new Service();
  const warnings = [];
  const connected = () => assert.fail("on purpose");
  const client = await service.connect({ metrics: { connected }, logger: { warn: (...what) => warnings.push(what) } });
  assert.equal(client.state, "open");
  assert.equal(warnings.length, 1);
});

test("a function as token is called before every attempt, and what it throws is tried again", async () => {
  const service = new Service();
  let count = 0;
  const token = async () => {
    count += 1;
    if (count === 2) throw new Error("the issuer is down");
    return `t${count}`;
  };
  await service.connect({ token });
  assert.deepEqual(service.socket.protocols, ["pushaside.v1", "bearer.t1"]);
  service.welcome();
  service.socket.drop();
  await service.clock.advance(2);
  assert.deepEqual(service.socket.protocols, ["pushaside.v1", "bearer.t3"]);
});

test("who comes and goes is an event of the subscription", async () => {
  const service = new Service();
  const client = await service.connect();
  service.welcome();
  const subscription = client.subscribe(CHANNEL);
  const seen = [];
  subscription.addEventListener("presence", ({ detail }) => seen.push(detail));
  service.subscribed("e:0");
  service.socket.say({ type: "presence", topic: CHANNEL, count: 3, joined: ["ada"], left: [] });
  service.socket.say({ type: "presence", topic: "prices:usd", count: 9, joined: [], left: [] });
  service.socket.say({ type: "presence", topic: CHANNEL, count: 2, joined: "?", left: ["ada", 7] });
  assert.deepEqual(seen, [
    { topic: CHANNEL, count: 3, joined: ["ada"], left: [] },
    { topic: CHANNEL, count: 2, joined: [], left: ["ada"] },
  ]);
  subscription.close();
  service.socket.say({ type: "presence", topic: CHANNEL, count: 1, joined: [], left: [] });
  assert.equal(seen.length, 2);
});

test("whether a subscription holds is told, and that it changes", async () => {
  const service = new Service();
  const client = await service.connect();
  service.welcome();
  const subscription = client.subscribe(CHANNEL);
  const seen = [];
  subscription.addEventListener("change", () => seen.push(subscription.holds));
  assert.equal(subscription.holds, false);
  const changed = subscription.changed();
  service.subscribed("e:0");
  await changed;
  assert.equal(subscription.holds, true);
  service.socket.drop();
  assert.equal(subscription.holds, false);
  assert.deepEqual([seen[0], seen.at(-1)], [true, false]);
});

test("data of a live result that can't be fetched are given up for a newer value", async () => {
  const service = new Service();
  let fail;
  const fetch = () => new Promise((_, reject) => (fail = reject));
  const client = await service.connect({ fetch });
  service.welcome();
  const got = collect(client.subscribe({ compute: "leaderboard" }));
  await settle();
  service.subscribed("e:1", { url: "https://links/1", etag: "e1" });
  await settle();
  service.update("e:2", "newer", { topic: "leaderboard@1:ab12", etag: "e2" });
  fail(new TypeError("no such host"));
  await settle();
  assert.deepEqual(got.map((each) => each.data), ["newer"]);
});
