import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { test } from "node:test";

import { HttpClient } from "../../../clients/browser/pushaside.js";
import { Service, settle } from "./service.mjs";

const hash = (text) => createHash("sha256").update(text).digest("hex").slice(0, 24);
const answer = (status, body, headers = {}) => () =>
  new Response(body === undefined ? null : JSON.stringify(body), { status, headers });
const problem = (status, code, fields = {}, headers = {}) =>
  answer(status, { code, detail: "It says why.", ...fields }, headers);
const broken = () => Promise.reject(new TypeError("fetch failed"));

/** A client whose calls are answered in turn by `answers`; the last one answers all others. */
function service(answers, options = {}) {
  const { clock } = new Service();
  const calls = [];
  const fetch = async (url, given) => {
    calls.push({ url, ...given });
    return answers[Math.min(calls.length, answers.length) - 1](url, given);
  };
  return { clock, calls, client: new HttpClient("http://api/", { fetch, clock, random: () => 0.5, ...options }) };
}

/** Let what was begun come to its end while time passes. */
async function within(clock, seconds, promise) {
  const settled = Promise.allSettled([promise]);
  await clock.advance(seconds);
  const [{ value, reason }] = await settled;
  if (reason) throw reason;
  return value;
}

test("a request is handed over, to be polled if nothing is said", async () => {
  const { client, calls } = service([answer(202, { id: "r1", status: "pending" })], { token: async () => "t1" });
  const accepted = await client.submit("documents", { ids: ["TX"] }, { id: "r1", requestDeadline: 60, maxAge: 0 });
  assert.deepEqual(accepted, { id: "r1", status: "pending" });
  const [{ url, method, headers, body }] = calls;
  assert.deepEqual([url, method], ["http://api/requests", "POST"]);
  assert.equal(headers.Authorization, "Bearer t1");
  assert.equal(headers["Content-Type"], "application/json");
  const asked = { id: "r1", compute: "documents", deliver: { poll: true }, deadline_ms: 60000, max_age: 0 };
  assert.deepEqual(JSON.parse(body), { ...asked, params: { ids: ["TX"] } });
});

test("a request without an id is given one, the same at every attempt", async () => {
  const { client, calls, clock } = service([answer(202, {}), problem(503, "internal"), answer(202, {})]);
  await client.submit("documents");
  const { id } = await within(clock, 2, client.submit("documents", {}, { deliver: { webhook: "https://a.example/" } }));
  const sent = calls.slice(1).map((each) => JSON.parse(each.body));
  assert.deepEqual(sent.map((each) => each.id), [id, id]);
  assert.deepEqual(sent[0].deliver, { webhook: "https://a.example/" });
});

const message = { type: "result", id: "r1", key: "k", etag: "e", cache: "miss", age_ms: 3 };
const result = (fields) => ({ id: "r1", status: "done", result: { ...message, ...fields } });
const read = { id: "r1", key: "k", etag: "e", cache: "miss", ageMs: 3, data: [1] };

test("it waits by long polls, no faster than it is told", async () => {
  const pending = answer(200, { id: "r1", status: "pending" }, { "retry-after": "2" });
  const { client, calls, clock } = service([pending, answer(200, result({ data: [1] }))]);
  const waiting = client.wait("r1", { deadline: 30 });
  await clock.advance(1.9);
  assert.equal(calls.length, 1);
  assert.equal(calls[0].url, "http://api/requests/r1?wait=20");
  assert.deepEqual(await within(clock, 0.2, waiting), read);
});

test("results are read in all their forms", async () => {
  const encoded = { encoding: "gzip+base64", data: gzipSync("[1]").toString("base64") };
  assert.deepEqual((await service([answer(200, result(encoded))]).client.look("r1")).outcome, read);
  const linked = answer(200, result({ url: "https://links/1" }));
  const { client, calls } = service([linked, answer(200, [1])]);
  assert.deepEqual(await client.wait("r1"), read);
  assert.equal(calls[1].url, "https://links/1");
  assert.equal(calls[1].headers, undefined);
});

test("a link whose time is over has the request looked at again", async () => {
  const linked = (url) => answer(200, result({ url }));
  const answers = [linked("https://links/1"), answer(403), linked("https://links/2"), answer(200, [1])];
  const { client, calls } = service(answers);
  assert.deepEqual((await client.wait("r1")).data, [1]);
  assert.equal(calls[3].url, "https://links/2");
});

test("what failed is an outcome to who looks, and an error to who waits", async () => {
  const error = { code: "timeout", message: "Too late." };
  const { client } = service([answer(200, { status: "failed", error, delivery: { state: "waiting" } })]);
  const { status, outcome, delivery } = await client.look("r/1", { wait: 5 });
  assert.deepEqual([status, outcome.code, delivery], ["failed", "timeout", { state: "waiting" }]);
  await assert.rejects(client.wait("r1"), { code: "timeout", message: "Too late." });
});

test("ids and params are escaped", async () => {
  const { client, calls } = service([answer(200, { status: "pending" }), answer(200, 1, { etag: '"e"' })]);
  await client.look("r/1");
  await client.result("a/b", { q: "&x" });
  const paths = ["requests/r%2F1", "results/a%2Fb?params=%7B%22q%22%3A%22%26x%22%7D"];
  assert.deepEqual(calls.map((each) => each.url), paths.map((each) => `http://api/${each}`));
});

test("a result is a resource, asked for anew only if it is another", async () => {
  const answers = [answer(200, [1], { etag: 'W/"e1"', age: "2" }), answer(304, undefined, { age: "5" })];
  const { client, calls } = service(answers);
  const known = await client.result("documents");
  assert.deepEqual(known, { data: [1], etag: "e1", ageMs: 2000 });
  assert.equal(calls[0].headers.Prefer, "wait=20");
  assert.deepEqual(await client.result("documents", {}, { known }), { data: [1], etag: "e1", ageMs: 5000 });
  assert.equal(calls[1].headers["If-None-Match"], '"e1"');
});

test("a result that is not there yet is asked for again", async () => {
  const { client, clock } = service([answer(202, { status: "pending" }, { "retry-after": "1" }), answer(200, [1])]);
  assert.deepEqual(await within(clock, 1.1, client.result("documents")), { data: [1], etag: "", ageMs: 0 });
});

test("the etag of a result behind a link is made of its data", async () => {
  const stored = () => new Response("[1]", { headers: { etag: '"of the store"' } });
  const { client } = service([() => Object.defineProperty(stored(), "redirected", { value: true })]);
  assert.deepEqual(await client.result("documents"), { data: [1], etag: hash("[1]"), ageMs: 0 });
});

test("problems are errors by their code, and other answers by their status", async () => {
  const { client } = service([problem(422, "invalid_params", { retryable: false })]);
  await assert.rejects(client.result("documents"), { code: "invalid_params", message: "It says why." });
  await assert.rejects(service([answer(401, { message: "Unauthorized" })]).client.look("r1"), { code: "unauthorized" });
  const teapot = { code: "unreachable", status: 418, retryable: false };
  await assert.rejects(service([answer(418, "?")]).client.look("r1"), teapot);
  await assert.rejects(service([() => new Response("{")]).client.result("documents"), { code: "unreadable" });
});

test("what is busy is tried again once it says so, a bounded number of times", async () => {
  const busy = problem(503, "source_throttled", { retryable: true }, { "retry-after": "3" });
  const { client, calls, clock } = service([busy, answer(200, [1])]);
  const asked = client.result("documents");
  await clock.advance(2.9);
  assert.equal(calls.length, 1);
  await within(clock, 0.2, asked);
  const always = service([busy], { maxRetries: 2 });
  const error = { code: "source_throttled", retryAfterMs: 3000 };
  await assert.rejects(within(always.clock, 29, always.client.look("r1")), error);
  assert.equal(always.calls.length, 3);
});

test("if nothing is there the first call fails at once, and later ones are tried again", async () => {
  const none = service([broken]);
  await assert.rejects(none.client.look("r1"), { code: "unreachable", retryable: true });
  assert.equal(none.calls.length, 1);
  const later = service([answer(200, { status: "pending" }), broken, answer(200, { status: "pending" })]);
  await later.client.look("r1");
  await within(later.clock, 1, later.client.look("r1"));
  assert.equal(later.calls.length, 3);
});

const hanging = (_url, { signal }) =>
  new Promise((_, reject) => {
    signal.throwIfAborted();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

test("a deadline ends it, and leaves no timer", async () => {
  const { client, clock } = service([hanging]);
  await assert.rejects(within(clock, 5, client.look("r1", { deadline: 5 })), { code: "timeout" });
  await settle();
  assert.equal(clock.size, 0);
});

test("a call that takes too long is given up before the deadline", async () => {
  const answers = [answer(200, {}), hanging, answer(200, { status: "pending" })];
  const { client, clock, calls } = service(answers, { fetchTimeoutSeconds: 3 });
  await client.look("r1");
  await within(clock, 5, client.look("r1"));
  assert.equal(calls.length, 3);
});

test("aborting its signal rejects with the reason", async () => {
  const controller = new AbortController();
  const { client, clock } = service([hanging]);
  const asked = assert.rejects(client.wait("r1", { signal: controller.signal }), /enough/);
  controller.abort(new Error("enough"));
  await asked;
  await assert.rejects(client.look("r1", { signal: controller.signal }), /enough/);
  assert.equal(clock.size, 0);
});

test("changed tags are told with the scope of the results", async () => {
  const { client, calls } = service([answer(202, { status: "accepted" })], { token: "t1" });
  assert.equal(await client.changed(["rates", "fees"]), undefined);
  await client.changed(new Set(["rates"]), { tenant: "acme" });
  await client.changed(["rates"], { scope: "all", deadline: 5 });
  assert.deepEqual([calls[0].url, calls[0].method], ["http://api/changes", "POST"]);
  assert.equal(calls[0].headers.Authorization, "Bearer t1");
  assert.deepEqual(calls.map(({ body }) => JSON.parse(body)), [
    { tags: ["rates", "fees"], scope: "tenant" },
    { tags: ["rates"], scope: "tenant", tenant: "acme" },
    { tags: ["rates"], scope: "all" },
  ]);
});

test("a change is told again until it is accepted", async () => {
  const { client, calls, clock } = service([problem(503, "internal"), broken, answer(202, { status: "accepted" })]);
  await within(clock, 60, client.changed(["rates"]));
  assert.equal(calls.length, 3);
});

test("a change that the token does not permit is an error", async () => {
  const { client, calls } = service([problem(403, "forbidden")]);
  await assert.rejects(client.changed(["rates"], { scope: "shared" }), { code: "forbidden", retryable: false });
  assert.equal(calls.length, 1);
});

test("one string is not taken for a tag of each character", async () => {
  const { client, calls } = service([answer(202, {})]);
  await assert.rejects(client.changed("rates"), /Pass a list of tags: \["rates"\]/);
  assert.equal(calls.length, 0);
});

test("the secrets of webhooks are told", async () => {
  assert.deepEqual(await service([answer(200, { secrets: ["whsec_1"] })]).client.webhookSecrets(), ["whsec_1"]);
  await assert.rejects(service([answer(200, {})]).client.webhookSecrets(), { code: "unreadable" });
});

test("wrong arguments are told as such", async () => {
  assert.throws(() => new HttpClient("ws://api/"), TypeError);
  await assert.rejects(service([broken]).client.look("r1", { deadline: 0 }), RangeError);
});
