import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { test } from "node:test";

import { CHANNEL, LIVE, Service, collect, settle, until } from "./service.mjs";

async function subscribe(what = CHANNEL, options = {}) {
  const service = new Service();
  const client = await service.connect(options);
  service.welcome();
  const subscription = client.subscribe(what);
  await settle();
  return { service, client, subscription };
}

const live = { compute: "leaderboard", params: { board: "demo" } };
const data = (updates) => updates.map((each) => each.data);

test("a channel brings every message with its position", async () => {
  const { service, subscription } = await subscribe();
  assert.equal(service.socket.asked("subscribe").topic, CHANNEL);
  service.subscribed("e:5");
  await subscription.ready();
  assert.equal(subscription.position, "e:5");
  service.update("e:6", { bid: 1 });
  const { value } = await subscription.next();
  assert.deepEqual(value, { topic: CHANNEL, position: "e:6", data: { bid: 1 }, etag: "", isResync: false });
  assert.equal(subscription.position, "e:6");
});

test("the position is that of what was taken, not of what came", async () => {
  const { service, subscription } = await subscribe();
  service.subscribed("e:5");
  service.update("e:6", 6);
  service.update("e:7", 7);
  assert.equal(subscription.position, "e:5");
  await subscription.next();
  assert.equal(subscription.position, "e:6");
});

test("duplicates are dropped and what is out of order is put in order", async () => {
  const { service, subscription } = await subscribe();
  const got = collect(subscription);
  service.update("e:2", 2);
  service.subscribed("e:0");
  for (const offset of [3, 1, 1, 2, 5, 3, 4, 5]) service.update(`e:${offset}`, offset);
  await settle();
  assert.deepEqual(data(got), [1, 2, 3, 4, 5]);
});

test("a gap that stays has it subscribed anew since the last one before it", async () => {
  const { service, subscription } = await subscribe();
  const got = collect(subscription);
  service.subscribed("e:0");
  service.update("e:1", 1);
  service.update("e:3", 3);
  await service.clock.advance(0.9);
  assert.equal(service.socket.asked("subscribe").since, undefined);
  await service.clock.advance(0.2);
  assert.equal(service.socket.asked("subscribe").since, "e:1");
  service.subscribed("e:3");
  service.update("e:2", 2);
  service.update("e:3", 3);
  await settle();
  assert.deepEqual(data(got), [1, 2, 3]);
});

test("a gap that closes in time changes nothing", async () => {
  const { service, subscription } = await subscribe();
  collect(subscription);
  service.subscribed("e:0");
  service.update("e:2", 2);
  await service.clock.advance(0.5);
  service.update("e:1", 1);
  await service.clock.advance(2);
  assert.equal(service.socket.sent.filter((each) => each.action === "subscribe").length, 1);
});

test("another epoch has it subscribed anew, and a resync stands for what is lost", async () => {
  const { service, subscription } = await subscribe();
  const got = collect(subscription);
  service.subscribed("e:0");
  service.update("e:1", 1);
  await service.clock.advance(2);
  service.update("f:1", "after");
  await service.clock.advance(0.01);
  assert.equal(service.socket.asked("subscribe").since, "e:1");
  service.subscribed("f:1", { recovered: false });
  service.update("f:1", "after", { type: "resync" });
  service.update("f:2", "more");
  await settle();
  assert.deepEqual(data(got), [1, "after", "more"]);
  assert.equal(got[1].isResync, true);
});

test("a history that has gone back in its epoch is not taken for one that goes on", async () => {
  const { service, subscription } = await subscribe({ topic: CHANNEL, since: "e:9" });
  const got = collect(subscription);
  service.subscribed("e:7");
  service.update("e:7", "again", { type: "resync" });
  await service.clock.advance(1.1);
  service.subscribed("e:7", { recovered: false, data: "again" });
  service.update("e:8", "next");
  await settle();
  assert.deepEqual(data(got), ["again", "next"]);
});

test("a lost connection is resumed since the position", async () => {
  const { service, subscription } = await subscribe();
  const got = collect(subscription);
  service.subscribed("e:0");
  service.update("e:1", 1);
  service.socket.drop();
  await service.clock.advance(1);
  assert.equal(service.socket.asked("subscribe").since, "e:1");
  service.subscribed("e:2");
  service.update("e:1", 1);
  service.update("e:2", 2);
  await settle();
  assert.deepEqual(data(got), [1, 2]);
});

test("`since` resumes what an earlier client had", async () => {
  const { service } = await subscribe({ topic: CHANNEL, since: "e:41" });
  assert.equal(service.socket.asked("subscribe").since, "e:41");
});

test("what nobody takes is bounded, and had again once there is room", async () => {
  const { service, subscription } = await subscribe(CHANNEL, { maxQueuedUpdates: 4 });
  service.subscribed("e:0");
  for (let offset = 1; offset <= 9; offset += 1) service.update(`e:${offset}`, offset);
  const took = [];
  for (let count = 0; count < 2; count += 1) took.push((await subscription.next()).value.data);
  assert.equal(service.socket.asked("subscribe").since, "e:4");
  service.subscribed("e:9");
  for (let offset = 5; offset <= 9; offset += 1) {
    service.update(`e:${offset}`, offset);
    took.push((await subscription.next()).value.data);
  }
  assert.deepEqual(took, [1, 2, 3, 4, 5, 6, 7]);
});

test("a live result comes with its value; only the newest waits, and an older one is never applied", async () => {
  const { service, subscription } = await subscribe(live);
  const { compute, params } = service.socket.asked("subscribe");
  assert.deepEqual({ compute, params }, live);
  service.subscribed("e:1", { etag: "a", data: "one" });
  const updates = [[4, "d"], [2, "b"], [3, "c"]];
  for (const [offset, etag] of updates) service.update(`e:${offset}`, etag, { topic: LIVE, etag });
  assert.equal(subscription.value, "d");
  const { value } = await subscription.next();
  assert.deepEqual([value.data, value.position, subscription.topic], ["d", "e:4", LIVE]);
});

test("an update that overtakes `subscribed` is not lost", async () => {
  const { service, subscription } = await subscribe(live);
  const got = collect(subscription);
  service.update("e:1", "new", { topic: LIVE, etag: "b" });
  service.subscribed("e:0");
  await settle();
  assert.deepEqual(data(got), ["new"]);
});

test("a live value in chunks, encoded, is read", async () => {
  const { service, subscription } = await subscribe(live);
  const got = collect(subscription);
  const { id } = service.socket.asked("subscribe");
  const encoded = { encoding: "gzip+base64", data: gzipSync("[1,2]").toString("base64") };
  const answer = { type: "subscribed", id, topic: LIVE, position: "e:1", recovered: true, etag: "a", ...encoded };
  const text = JSON.stringify(answer);
  const halves = [text.slice(0, 50), text.slice(50)];
  halves.forEach((half, index) => service.socket.say({ type: "chunk", id, index, count: 2, of: "x", data: half }));
  await until(() => got.length);
  assert.deepEqual(data(got), [[1, 2]]);
});

test("what comes while data is fetched waits for it", async () => {
  let answer;
  const fetch = () => new Promise((resolve) => (answer = resolve));
  const { service, subscription } = await subscribe(CHANNEL, { fetch });
  const got = collect(subscription);
  service.subscribed("e:0");
  service.update("e:1", undefined, { url: "https://s3/1" });
  service.update("e:2", 2);
  await settle();
  assert.deepEqual(got.length, 0);
  answer(new Response('"one"'));
  await until(() => got.length === 2);
  assert.deepEqual(data(got), ["one", 2]);
});

test("a live result that can't be computed says so, and keeps its value", async () => {
  const { service, subscription } = await subscribe(live);
  service.subscribed("e:1", { etag: "a", data: 1 });
  const error = { code: "compute_failed", message: "It broke.", retryable: false };
  service.update("e:2", undefined, { topic: LIVE, error });
  assert.equal(subscription.value, 1);
  assert.equal(subscription.failure.code, "compute_failed");
});

test("a refusal ends the subscription alone", async () => {
  const { service, client, subscription } = await subscribe();
  const error = { code: "forbidden", message: "Not yours.", retryable: false };
  service.socket.say({ type: "error", id: service.socket.asked("subscribe").id, error });
  await assert.rejects(subscription.ready(), { code: "forbidden" });
  await assert.rejects(subscription.next(), { code: "forbidden" });
  assert.equal(client.state, "open");
});

test("leaving the loop unsubscribes, and who wants the same waits for that", async () => {
  const { service, client, subscription } = await subscribe();
  service.subscribed("e:0");
  service.update("e:1", 1);
  for await (const update of subscription) if (update) break;
  const { id, topic } = service.socket.asked("unsubscribe");
  assert.equal(topic, CHANNEL);
  client.subscribe(CHANNEL);
  const count = () => service.socket.sent.filter((each) => each.action === "subscribe").length;
  assert.equal(count(), 1);
  service.socket.say({ type: "unsubscribed", id, topic });
  assert.equal(count(), 2);
});

test("what is closed before it holds is unsubscribed once it does", async () => {
  const { service, subscription } = await subscribe(live);
  subscription.close();
  assert.equal(service.socket.asked("unsubscribe"), undefined);
  service.subscribed("e:0");
  assert.equal(service.socket.asked("unsubscribe").topic, LIVE);
  assert.deepEqual(await subscription.next(), { value: undefined, done: true });
});

test("two of one topic have each message once, and the last to leave unsubscribes", async () => {
  const { service, client, subscription } = await subscribe();
  service.subscribed("e:0");
  const other = client.subscribe(CHANNEL);
  service.subscribed("e:0");
  service.update("e:1", 1);
  assert.equal((await subscription.next()).value.data, 1);
  assert.equal((await other.next()).value.data, 1);
  subscription.close();
  assert.equal(service.socket.asked("unsubscribe"), undefined);
  other.close();
  assert.equal(service.socket.asked("unsubscribe").topic, CHANNEL);
});

test("a signal closes a subscription", async () => {
  const { client } = await subscribe();
  const abort = new AbortController();
  const got = collect(client.subscribe("prices:usd", { signal: abort.signal }));
  abort.abort();
  await got.done;
});

test("closing the client ends subscriptions after what has come", async () => {
  const { service, client, subscription } = await subscribe();
  service.subscribed("e:0");
  service.update("e:1", 1);
  client.close();
  assert.equal((await subscription.next()).value.data, 1);
  await assert.rejects(subscription.next(), { code: "closed" });
  assert.throws(() => client.subscribe(CHANNEL), { code: "closed" });
  assert.equal(service.clock.size, 0);
});

test("a message is published once, also across a lost connection", async () => {
  const { service, client } = await subscribe();
  const published = client.publish(CHANNEL, { bid: 2 });
  await settle();
  const { id, ...rest } = service.socket.asked("publish");
  assert.deepEqual(rest, { action: "publish", topic: CHANNEL, message_id: id, data: { bid: 2 } });
  service.socket.drop();
  await service.clock.advance(1);
  assert.equal(service.socket.asked("publish").message_id, id);
  service.socket.say({ type: "published", id, topic: CHANNEL, position: "e:9" });
  assert.equal(await published, "e:9");
});

/** Numbers that repeat for a seed (mulberry32). */
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A service with a history of ten messages, whose frames are lost, doubled and reordered, and whose Redis is lost. */
async function liveThrough(seed, steps) {
  const random = seeded(seed);
  const { service, subscription } = await subscribe(CHANNEL, { maxQueuedUpdates: 6, random });
  const got = [];
  const history = [];
  let epoch = 0;
  let read = new Set();
  let flight = [];
  let isSubscribed = false;
  const position = (offset) => `e${epoch}:${offset}`;
  const update = (offset, type = "update") => ({ type, topic: CHANNEL, position: position(offset), data: offset });
  const serve = () => {
    for (const asked of service.socket.sent) {
      if (asked.action !== "subscribe" || read.has(asked)) continue;
      read.add(asked);
      isSubscribed = true;
      const [name, offset] = (asked.since ?? position(history.length)).split(":");
      const recovered = name === `e${epoch}` && offset <= history.length && history.length - offset <= 10;
      flight.push({ type: "subscribed", id: asked.id, topic: CHANNEL, position: position(history.length), recovered });
      if (!recovered) flight.push(update(history.length, "resync"));
      else for (let next = Number(offset) + 1; next <= history.length; next += 1) flight.push(update(next));
    }
  };
  const drop = () => {
    flight = [];
    isSubscribed = false;
    service.socket.drop();
  };
  const pending = { next: null };
  const drain = async (most) => {
    for (let count = 0; count < most; count += 1) {
      pending.next ??= subscription.next().then((each) => ({ each }));
      const found = await Promise.race([pending.next, settle().then(() => null)]);
      if (!found) return;
      pending.next = null;
      got.push(found.each.value);
    }
  };
  for (let step = 0; step < steps; step += 1) {
    serve();
    const dice = random();
    if (dice < 0.35) {
      history.push(1);
      if (isSubscribed) flight.push(update(history.length));
    } else if (dice < 0.65 && flight.length) {
      const index = Math.floor(random() * Math.min(3, flight.length));
      const frame = random() < 0.1 ? flight[index] : flight.splice(index, 1)[0];
      if (random() > 0.05 || frame.type !== "update") service.socket.say(frame);
    } else if (dice < 0.8) await drain(3);
    else if (dice < 0.94) await service.clock.advance(random() * 2);
    else if (dice < 0.98) drop();
    else {
      epoch += 1;
      history.length = 0;
      isSubscribed = false;
      drop();
    }
  }
  for (let round = 0; round < 40; round += 1) {
    await service.clock.advance(1);
    serve();
    for (const frame of flight.splice(0)) service.socket.say(frame);
    if (round === 20) {
      history.push(1);
      if (isSubscribed) flight.push(update(history.length));
    }
    await drain(20);
  }
  return { got, last: position(history.length) };
}

test("whatever is lost, doubled or reordered: each once, in order, and no gap without a resync", async () => {
  for (let seed = 1; seed <= 25; seed += 1) {
    const { got, last } = await liveThrough(seed, 120);
    for (const [index, { position, isResync }] of got.entries()) {
      const [epoch, offset] = position.split(":");
      const [before, reached] = index ? got[index - 1].position.split(":") : [epoch, offset - 1];
      const isNext = epoch === before && offset - reached === 1;
      assert.ok(isResync || isNext, `seed ${seed}: ${position} after ${before}:${reached}`);
    }
    assert.equal(got.at(-1).position, last, `seed ${seed}`);
  }
});
