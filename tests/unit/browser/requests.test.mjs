import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { PushasideError } from "../../../clients/browser/pushaside.js";
import { Service, settle, until } from "./service.mjs";

const encoded = (data) => ({ encoding: "gzip+base64", data: gzipSync(JSON.stringify(data)).toString("base64") });

async function ask(options = {}, request = {}) {
  const service = new Service();
  const client = await service.connect(options);
  service.welcome();
  const asked = { result: undefined, error: undefined };
  client.request("documents", { ids: ["TX"] }, request).then(
    (result) => (asked.result = result),
    (error) => (asked.error = error),
  );
  await settle();
  return { service, client, asked };
}

function cut(message, count, of = "a1") {
  const text = JSON.stringify(message);
  const size = Math.ceil(text.length / count);
  return Array.from({ length: count }, (_, index) => {
    const data = text.slice(index * size, (index + 1) * size);
    return { type: "chunk", id: message.id, index, count, of, data };
  });
}

test("it greets, and asks with what is left of the deadline and what it can read", async () => {
  const { service } = await ask({}, { deadline: 5, maxAge: 0 });
  const { sent } = service.socket;
  assert.deepEqual(sent[0], { action: "hello", id: sent[0].id, accept: ["gzip"] });
  const { id, ...rest } = sent[1];
  assert.equal(typeof id, "string");
  const fields = { compute: "documents", params: { ids: ["TX"] }, deadline_ms: 5000, max_age: 0, accept: ["gzip"] };
  assert.deepEqual(rest, { action: "request", ...fields });
});

test("a hit is a result at once", async () => {
  const { service, asked } = await ask();
  service.socket.say(service.result({ data: [1, null] }));
  await settle();
  const { id } = service.socket.asked("request");
  assert.deepEqual(asked.result, { id, key: "k", etag: "e", cache: "hit", ageMs: 812, data: [1, null] });
});

test("what is accepted is answered later, and what is settled leaves no timer", async () => {
  const { service, asked } = await ask();
  const before = service.clock.size;
  service.socket.say({ type: "accepted", id: service.socket.asked("request").id });
  await service.clock.advance(3);
  assert.equal(asked.result, undefined);
  service.socket.say(service.result({ cache: "miss", data: null }));
  await settle();
  assert.equal(asked.result.cache, "miss");
  assert.equal(service.clock.size, before - 2);
});

test("an error is typed by its code", async () => {
  const { service, asked } = await ask();
  const error = { code: "invalid_params", message: "There is no ids.", retryable: false };
  service.socket.say({ type: "error", id: service.socket.asked("request").id, error });
  await settle();
  assert.ok(asked.error instanceof PushasideError);
  const { code, message, retryable, retryAfterMs } = asked.error;
  assert.deepEqual([code, message, retryable, retryAfterMs], ["invalid_params", "There is no ids.", false, undefined]);
});

test("an error that says when is followed, with the same id", async () => {
  const { service, asked } = await ask();
  const { id } = service.socket.asked("request");
  const error = { code: "rate_limited", message: "Later.", retryable: true, retry_after_ms: 2000 };
  service.socket.say({ type: "error", id, error });
  await service.clock.advance(1.9);
  assert.equal(service.socket.sent.length, 2);
  await service.clock.advance(0.7);
  assert.equal(service.socket.sent.length, 3);
  assert.equal(service.socket.asked("request").id, id);
  service.socket.say(service.result({ data: 1 }));
  await settle();
  assert.equal(asked.result.data, 1);
});

test("a lost connection is opened again, and what is unanswered asked again under its id", async () => {
  const { service, client, asked } = await ask();
  const { id } = service.socket.asked("request");
  service.socket.say({ type: "accepted", id });
  service.socket.drop();
  assert.equal(client.state, "reconnecting");
  await service.clock.advance(1);
  assert.equal(client.state, "open");
  assert.equal(service.sockets.length, 2);
  assert.equal(service.socket.asked("hello").session, "s1");
  const again = service.socket.asked("request");
  assert.equal(again.id, id);
  assert.ok(again.deadline_ms < 30_000);
  service.socket.say(service.result({ data: 7 }));
  service.socket.say(service.result({ data: 8 }));
  await settle();
  assert.equal(asked.result.data, 7);
});

test("attempts to connect again have full jitter and bounds that double", async () => {
  const { service } = await ask();
  service.isUp = false;
  service.socket.drop();
  const times = [];
  for (let tick = 0; tick < 150; tick += 1) {
    const before = service.sockets.length;
    await service.clock.advance(0.05);
    if (service.sockets.length > before) times.push(tick * 0.05);
  }
  const waits = times.slice(1).map((each, index) => each - times[index]);
  [0.25, 0.5, 1, 2].forEach((wait, index) => assert.ok(Math.abs(waits[index] - wait) < 0.15, `${waits}`));
});

test("silence has a request asked again under its id", async () => {
  const { service } = await ask();
  await service.clock.advance(12);
  const ids = service.socket.sent.filter((each) => each.action === "request").map((each) => each.id);
  assert.equal(ids.length, 2);
  assert.equal(new Set(ids).size, 1);
});

test("a connection on which nothing comes at all, not even a pong, counts as lost", async () => {
  const { service, client } = await ask();
  await service.clock.advance(1);
  client.request("documents").catch(() => {});
  await service.clock.advance(12);
  const silent = service.socket;
  const { id } = silent.asked("request");
  assert.ok(silent.asked("ping"));
  await service.clock.advance(10);
  assert.equal(silent.isOpen, false);
  assert.notEqual(service.socket, silent);
  assert.equal(service.socket.asked("request").id, id);
});

test("API Gateway's own error has what is not accepted asked again, and ends it at last", async () => {
  const { service, asked } = await ask({ maxRetries: 1 });
  const fault = { message: "Internal server error", connectionId: "c", requestId: "r" };
  service.socket.say(fault);
  await service.clock.advance(1);
  assert.equal(service.socket.sent.filter((each) => each.action === "request").length, 2);
  service.socket.say(fault);
  await settle();
  assert.equal(asked.error.code, "internal");
});

test("no route for it ends it", async () => {
  const { service, asked } = await ask();
  service.socket.say({ message: "Forbidden", connectionId: "c", requestId: "r" });
  await settle();
  assert.equal(asked.error.code, "forbidden");
});

test("the deadline ends it, whatever comes later", async () => {
  const { service, asked } = await ask({}, { deadline: 2 });
  await service.clock.advance(2.1);
  assert.equal(asked.error.code, "timeout");
  assert.equal(asked.error.retryable, true);
  service.socket.say(service.result({ data: 1 }));
  await settle();
  assert.equal(asked.result, undefined);
});

test("the deadline goes on counting without a connection", async () => {
  const { service, asked } = await ask({}, { deadline: 2 });
  service.isUp = false;
  service.socket.drop();
  await service.clock.advance(2.1);
  assert.match(asked.error.message, /There is no connection/);
});

test("a signal frees everything", async () => {
  const abort = new AbortController();
  const { service, asked } = await ask({}, { signal: abort.signal });
  const before = service.clock.size;
  abort.abort(new Error("enough"));
  await settle();
  assert.equal(asked.error.message, "enough");
  assert.equal(service.clock.size, before - 2);
});

test("encoded data is decoded", async () => {
  const { service, asked } = await ask();
  service.socket.say(service.result(encoded({ a: ["é", 1.5] })));
  await until(() => asked.result);
  assert.deepEqual(asked.result.data, { a: ["é", 1.5] });
});

test("damaged and unknown encodings end their own request alone", async () => {
  for (const fields of [{ encoding: "gzip+base64", data: "AAAA" }, { encoding: "br", data: "AAAA" }, {}]) {
    const { service, client, asked } = await ask();
    service.socket.say(service.result(fields));
    await until(() => asked.error);
    assert.equal(asked.error.code, "unreadable");
    assert.equal(client.state, "open");
  }
});

test("data that would be larger than is taken is refused", async () => {
  const { service, asked } = await ask({ maxResultBytes: 1000 });
  service.socket.say(service.result(encoded("x".repeat(100_000))));
  await until(() => asked.error);
  assert.equal(asked.error.code, "too_large");
});

test("chunks make a whole in any order, each counting once and never two splittings mixed", async () => {
  const { service, asked } = await ask();
  const [first, second, third] = cut(service.result({ data: ["one", "two", "three"] }), 3);
  const other = cut(service.result({ data: ["four"] }), 3, "b2");
  for (const each of [third, other[1], first, first, third]) service.socket.say(each);
  await settle();
  assert.equal(asked.result, undefined);
  service.socket.say(second);
  await settle();
  assert.deepEqual(asked.result.data, ["one", "two", "three"]);
});

test("chunks of an encoded result are put together and decoded", async () => {
  const { service, asked } = await ask();
  cut(service.result(encoded([1, 2])), 4).forEach((each) => service.socket.say(each));
  await until(() => asked.result);
  assert.deepEqual(asked.result.data, [1, 2]);
});

test("chunks of a connection that is lost are let go, and the request is asked again", async () => {
  const { service, asked } = await ask();
  const chunks = cut(service.result({ data: "x" }), 2);
  service.socket.say(chunks[0]);
  service.socket.drop();
  await service.clock.advance(1);
  service.socket.say(chunks[1]);
  await settle();
  assert.equal(asked.result, undefined);
  service.socket.say(chunks[0]);
  await settle();
  assert.equal(asked.result.data, "x");
});

test("what is held of chunks is bounded", async () => {
  const { service, asked } = await ask({ maxUnfinishedBytes: 400 });
  cut(service.result({ data: "x".repeat(900) }), 3).forEach((each) => service.socket.say(each));
  await settle();
  assert.equal(asked.error.code, "too_large");
});

test("a link is followed, and checked against the etag", async () => {
  const data = JSON.stringify({ large: true });
  const etag = createHash("sha256").update(data).digest("hex").slice(0, 24);
  const urls = [];
  const fetch = async (url) => (urls.push(url), new Response(urls.length === 1 ? '{"large":false}' : data));
  const { service, asked } = await ask({ fetch });
  service.socket.say(service.result({ etag, url: "https://s3/object" }));
  await until(() => urls.length === 1);
  for (let turn = 0; turn < 50 && !asked.result; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    await service.clock.advance(0.5);
  }
  assert.deepEqual(asked.result.data, { large: true });
  assert.deepEqual(urls, ["https://s3/object", "https://s3/object"]);
});

test("a link whose time is over has the request asked again under its id", async () => {
  const fetch = async () => new Response("", { status: 403 });
  const { service } = await ask({ fetch });
  const { id } = service.socket.asked("request");
  service.socket.say(service.result({ url: "https://s3/object" }));
  await service.clock.advance(1);
  assert.deepEqual(service.socket.sent.slice(1).map((each) => each.id), [id, id]);
});

test("giving up a request gives up the fetching of its data", async () => {
  let given;
  const fetch = (_url, { signal }) => ((given = signal), new Promise(() => {}));
  const abort = new AbortController();
  const { service } = await ask({ fetch }, { signal: abort.signal });
  service.socket.say(service.result({ url: "https://s3/object" }));
  await settle();
  abort.abort();
  assert.equal(given.aborted, true);
});

test("bad frames and what is not known do no harm", async () => {
  const { service, client, asked } = await ask();
  const frames = ["", "{", "[1]", "null", '"x"', { type: "news" }, { type: 7 }, { type: "result" }, { type: "chunk" }];
  const topics = [{ type: "update" }, { type: "update", topic: "a:b", position: "x", data: 1 }, { type: "subscribed" }];
  const empty = [{ type: "error" }, { type: "welcome" }, { type: "pong" }, { type: "bye_bye" }];
  for (const frame of [...frames, ...topics, ...empty]) service.socket.say(frame);
  service.socket.onmessage({ data: new ArrayBuffer(4) });
  service.socket.say(service.result({ data: 1, unknown: 2 }));
  await settle();
  assert.equal(asked.result.data, 1);
  assert.equal(client.state, "open");
});

test("nine idle minutes are broken by a ping, and its silence loses the connection", async () => {
  const { service, client } = await ask();
  service.socket.say(service.result({ data: 1 }));
  await service.clock.advance(541);
  assert.deepEqual(service.socket.sent.at(-1), { action: "ping" });
  service.socket.say({ type: "pong" });
  await service.clock.advance(539);
  assert.equal(client.state, "open");
  await service.clock.advance(12);
  assert.equal(service.sockets.length, 2);
});

test("a connection is replaced before its time, and the old one still answers", async () => {
  const service = new Service();
  const client = await service.connect();
  service.welcome({ reconnect_after_seconds: 100 });
  await service.clock.advance(94);
  const old = service.socket;
  const asked = client.request("documents");
  await service.clock.advance(1.5);
  assert.equal(service.sockets.length, 2);
  assert.equal(old.isOpen, true);
  assert.equal(client.state, "open");
  old.say({ type: "result", id: old.asked("request").id, data: 5 });
  assert.equal((await asked).data, 5);
  await settle();
  assert.equal(old.isOpen, false);
  assert.equal(service.socket.sent.length, 1);
});

test("after a bye it comes back when told", async () => {
  const { service, client } = await ask();
  service.socket.say({ type: "bye", code: "restart", retry: true, after_ms: 4000 });
  await service.clock.advance(0.9);
  assert.equal(service.sockets.length, 1);
  await service.clock.advance(0.2);
  assert.equal(service.sockets.length, 2);
  assert.equal(client.state, "open");
});

test("a bye for good ends everything", async () => {
  const { service, client, asked } = await ask();
  service.socket.say({ type: "bye", code: "forbidden", retry: false });
  await settle();
  assert.equal(asked.error.code, "forbidden");
  assert.equal(client.state, "closed");
  await assert.rejects(client.request("documents"), { code: "forbidden" });
});

test("closing fails what is unanswered and leaves no timer", async () => {
  const { service, client, asked } = await ask();
  client.close();
  client.close();
  await settle();
  assert.equal(asked.error.code, "closed");
  assert.equal(service.clock.size, 0);
  assert.equal(service.socket.isOpen, false);
});

test("connecting is given up after some attempts, and at once without a token", async () => {
  const service = new Service();
  service.isUp = false;
  const opening = service.connect();
  opening.catch(() => {});
  await service.clock.advance(60);
  await assert.rejects(opening, { code: "unreachable" });
  assert.equal(service.sockets.length, 5);
  const refused = new PushasideError("unauthorized", "The token is over.");
  await assert.rejects(new Service().connect({ token: () => Promise.reject(refused) }), { code: "unauthorized" });
});

test("the token is asked for before every attempt", async () => {
  const service = new Service();
  let count = 0;
  await service.connect({ token: async () => `t${(count += 1)}` });
  service.welcome();
  service.socket.drop();
  await service.clock.advance(1);
  const offered = service.sockets.map((each) => each.protocols);
  assert.deepEqual(offered, [["pushaside.v1", "bearer.t1"], ["pushaside.v1", "bearer.t2"]]);
  assert.equal(service.socket.given.headers.Authorization, "Bearer t2");
});

test("what can't be sent is refused before it is", async () => {
  const { client, service } = await ask();
  const before = service.socket.sent.length;
  await assert.rejects(client.request("documents", { big: 1n }), { code: "invalid_params" });
  await assert.rejects(client.request("documents", { long: "é".repeat(20_000) }), { code: "too_large" });
  await assert.rejects(client.request("documents", {}, { deadline: 0 }), RangeError);
  assert.equal(service.socket.sent.length, before);
});
