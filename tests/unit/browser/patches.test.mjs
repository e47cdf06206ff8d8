import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LIVE, Service, collect, settle, until } from "./service.mjs";

const { digests, patches } = JSON.parse(readFileSync(new URL("../../vectors/patches.json", import.meta.url), "utf8"));

/** Subscribe to a live result that has a value, with patches. */
async function subscribe(value, etag = "e1") {
  const service = new Service();
  const warnings = [];
  const client = await service.connect({ logger: { warn: (...what) => warnings.push(what) } });
  service.welcome();
  const subscription = client.subscribe({ compute: "leaderboard", params: { board: "demo" }, patches: true });
  await settle();
  const got = collect(subscription);
  service.subscribed("e:1", { data: value, etag });
  await settle();
  return { service, client, subscription, got, warnings };
}

const patch = (fields) => ({ type: "update", topic: LIVE, position: "e:2", etag: "e2", base: "e1", ...fields });
const replaced = (value, digest) => patch({ digest, json_patch: [{ op: "replace", path: "", value }] });
const asks = (service) => service.socket.sent.filter((each) => each.action === "subscribe");
const last = (got) => got.at(-1)?.data;

/** Wait for the digest that a real thread computes. */
const computed = (service, got, warnings) => until(() => got.length > 1 || warnings.length > 0);

test("patches are asked for only where they are wanted", async () => {
  const service = new Service();
  const client = await service.connect();
  client.subscribe({ compute: "leaderboard" });
  assert.deepEqual(service.socket.asked("subscribe").accept, ["gzip"]);
  client.subscribe({ compute: "documents", patches: true });
  assert.deepEqual(service.socket.asked("subscribe").accept, ["gzip", "patch"]);
  client.subscribe("prices:eur", { patches: true });
  assert.deepEqual(service.socket.asked("subscribe").accept, ["gzip"]);
});

for (const { json, digest } of digests) {
  test(`the digest of ${json} is that of the shared vectors`, async () => {
    const { service, got, warnings } = await subscribe("another");
    service.socket.say(`{"type":"update","topic":"${LIVE}","position":"e:2","etag":"e2","base":"e1",` +
      `"digest":"${digest}","json_patch":[{"op":"replace","path":"","value":${json}}]}`);
    await computed(service, got, warnings);
    assert.deepEqual(warnings, []);
    assert.deepEqual(last(got), JSON.parse(json));
  });
}

for (const { title, kind, old, new: made, patch: body, base, digest } of patches) {
  test(`a patch of the shared vectors is applied: ${title}`, async () => {
    const { service, subscription, got, warnings } = await subscribe(JSON.parse(old), base);
    service.socket.say(patch({ base, digest, [`${kind}_patch`]: body }));
    await computed(service, got, warnings);
    assert.deepEqual(warnings, []);
    assert.deepEqual(last(got), JSON.parse(made));
    assert.deepEqual(subscription.value, JSON.parse(made));
    assert.equal(subscription.position, "e:2");
    assert.equal(got.at(-1).etag, "e2");
    assert.equal(asks(service).length, 1);
  });
}

test("the value that a patch was for is left as it was given out", async () => {
  const { service, got, warnings } = await subscribe({ a: [1, 2], b: { c: 3 } });
  const digest = "4f53cda18c2baa0c0354bb5f";
  const body = [{ op: "remove", path: "/a/0" }, { op: "replace", path: "", value: [] }];
  service.socket.say(patch({ digest, json_patch: body }));
  await computed(service, got, warnings);
  assert.deepEqual(got[0].data, { a: [1, 2], b: { c: 3 } });
  assert.deepEqual(last(got), []);
});

test("a patch that makes something else has the whole value asked for", async () => {
  const { service, subscription, got, warnings } = await subscribe({ a: 1 });
  service.socket.say(patch({ digest: "0".repeat(24), merge_patch: { a: 2 } }));
  await computed(service, got, warnings);
  assert.equal(warnings.length, 1);
  assert.equal(subscription.position, "e:1");
  await service.clock.advance(1.1);
  assert.equal(service.socket.asked("subscribe").since, "e:1");
  service.subscribed("e:2", { data: { a: 2 }, etag: "e2" });
  await settle();
  assert.deepEqual(got.map((each) => each.data), [{ a: 1 }, { a: 2 }]);
});

const misfits = {
  "an operation that there is not": [{ op: "test", path: "/a", value: 1 }],
  "a member that is not there": [{ op: "replace", path: "/b", value: 1 }],
  "a member that nothing has, but all objects inherit": [{ op: "remove", path: "/constructor" }],
  "an item past the end": [{ op: "add", path: "/list/2", value: 1 }],
  "an index that is none": [{ op: "replace", path: "/list/00", value: 1 }],
  "a step into a number": [{ op: "add", path: "/a/b", value: 1 }],
  "a path that is no pointer": [{ op: "remove", path: "a" }],
  "something that is no operation": [7],
};
for (const [title, body] of Object.entries(misfits)) {
  test(`a patch that can't be applied has the whole value asked for: ${title}`, async () => {
    const { service, got, warnings } = await subscribe({ a: 1, list: [0] });
    service.socket.say(patch({ digest: "0".repeat(24), json_patch: body }));
    await computed(service, got, warnings);
    await service.clock.advance(1.1);
    assert.equal(asks(service).length, 2);
    assert.equal(got.length, 1);
  });
}

test("a member of the name __proto__ is one like others", async () => {
  const { service, got, warnings } = await subscribe(JSON.parse('{"__proto__":{"a":1}}'));
  const body = '[{"op":"replace","path":"/__proto__/a","value":2},{"op":"add","path":"/toString","value":1}]';
  service.socket.say(`{"type":"update","topic":"${LIVE}","position":"e:2","etag":"e2","base":"e1",` +
    `"digest":"${"0".repeat(24)}","json_patch":${body}}`);
  await computed(service, got, warnings);
  assert.equal({}.a, undefined);
  assert.equal(Object.getPrototypeOf(got[0].data), Object.prototype);
  assert.match(`${warnings[0].at(-1)}`, /The digest is/);
});

test("a patch for another value waits, and has the value asked for if that does not come", async () => {
  const { service, got } = await subscribe({ a: 1 });
  service.socket.say(patch({ position: "e:3", etag: "e3", base: "e2", digest: "0".repeat(24), merge_patch: { a: 3 } }));
  await service.clock.advance(1.1);
  assert.equal(service.socket.asked("subscribe").since, "e:1");
  service.subscribed("e:3", { data: { a: 3 }, etag: "e3" });
  await settle();
  assert.deepEqual(got.map((each) => each.data), [{ a: 1 }, { a: 3 }]);
});

test("a patch that came before its value is applied to it", async () => {
  const service = new Service();
  const client = await service.connect();
  service.welcome();
  const got = collect(client.subscribe({ compute: "leaderboard", patches: true }));
  await settle();
  service.socket.say(replaced([], "4f53cda18c2baa0c0354bb5f"));
  service.subscribed("e:1", { data: 1, etag: "e1" });
  await until(() => got.at(-1)?.position === "e:2");
  assert.deepEqual(last(got), []);
});

test("a patch to the value that is there already moves the position alone", async () => {
  const { service, subscription, got } = await subscribe(1, "e2");
  service.socket.say(replaced([], "4f53cda18c2baa0c0354bb5f"));
  await settle();
  assert.equal(subscription.position, "e:2");
  assert.equal(got.length, 1);
});

test("patches that follow each other are applied one after the other", async () => {
  const { service, got } = await subscribe({ a: 1 });
  service.socket.say(replaced({}, "44136fa355b3678a1146ad16"));
  service.socket.say(patch({
    position: "e:3", etag: "e3", base: "e2", digest: "4f53cda18c2baa0c0354bb5f",
    json_patch: [{ op: "replace", path: "", value: [] }],
  }));
  await until(() => got.at(-1)?.position === "e:3");
  assert.deepEqual(last(got), []);
  assert.equal(asks(service).length, 1);
});
