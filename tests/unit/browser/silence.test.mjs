/** How a connection that is lost without a word is found out. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { CHANNEL, Service } from "./service.mjs";

async function open(options = {}) {
  const service = new Service();
  const client = await service.connect(options);
  service.welcome();
  return { service, client };
}

/** A client that has subscribed, and has heard nothing since. */
async function listen(options = {}) {
  const { service, client } = await open({ subscribedKeepaliveSeconds: 30, ...options });
  const subscription = client.subscribe(CHANNEL);
  service.subscribed("e:0", { topic: CHANNEL });
  return { service, client, subscription };
}

const pings = ({ sent }) => sent.filter(({ action }) => action === "ping").length;

test("who has subscribed and hears nothing asks for a sign of life after thirty seconds", async () => {
  const { service, subscription } = await listen();
  await service.clock.advance(29);
  assert.equal(pings(service.socket), 0);
  await service.clock.advance(2);
  assert.equal(pings(service.socket), 1);
  service.socket.say({ type: "pong" });
  await service.clock.advance(25);
  service.update("e:1", 1);
  await service.clock.advance(25);
  assert.equal(pings(service.socket), 1);
  subscription.close();
  service.socket.say({ type: "unsubscribed", id: service.socket.asked("unsubscribe").id, topic: CHANNEL });
  await service.clock.advance(100);
  assert.equal(pings(service.socket), 1);
});

test("what is sent to the service is no sign of life for who has subscribed", async () => {
  const { service, client } = await listen({ reaskSeconds: 300 });
  await service.clock.advance(20);
  client.request("documents", {}, { deadline: 300 }).catch(() => {});
  await service.clock.advance(10.5);
  assert.equal(pings(service.socket), 1);
});

test("a subscription in a black hole is on another connection after forty seconds", async () => {
  const { service } = await listen();
  await service.clock.advance(39);
  assert.equal(service.sockets.length, 1);
  await service.clock.advance(2);
  assert.equal(service.sockets.length, 2);
  assert.equal(service.socket.asked("subscribe").since, "e:0");
});

/** Have a page, for as long as a test lasts. */
function havePage(context, visibilityState) {
  const page = Object.assign(new EventTarget(), { visibilityState });
  globalThis.document = page;
  context.after(() => delete globalThis.document);
  return page;
}

test("a page that is seen again asks for a sign of life at once", async (context) => {
  const page = havePage(context, "hidden");
  const { service, client } = await open();
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(pings(service.socket), 0);
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(pings(service.socket), 1);
  await service.clock.advance(11);
  assert.equal(service.sockets.length, 2);
  client.close();
  const { sent } = service.socket;
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(pings({ sent }), 0);
});

test("a browser that is online again asks for a sign of life at once, or connects", async (context) => {
  const network = new EventTarget();
  for (const name of ["addEventListener", "removeEventListener"]) {
    globalThis[name] = network[name].bind(network);
    context.after(() => delete globalThis[name]);
  }
  const { service, client } = await open();
  network.dispatchEvent(new Event("online"));
  assert.equal(pings(service.socket), 1);
  service.isUp = false;
  service.socket.drop();
  await service.clock.advance(60);
  service.isUp = true;
  const before = service.sockets.length;
  network.dispatchEvent(new Event("online"));
  await service.clock.advance(0.5);
  assert.equal(service.sockets.length, before + 1);
  assert.equal(client.state, "open");
  client.close();
});
