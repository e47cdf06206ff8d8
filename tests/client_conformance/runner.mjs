/**
 * Plays the client's part of scenarios with the browser client under Node: the scenarios come in as a list, and a line
 * of JSON goes out for each.
 */

import { createRequire } from "node:module";
import { text } from "node:stream/consumers";
import * as pushaside from "../../clients/browser/pushaside.js";
import { playAll } from "./steps.mjs";

const AT_ONCE = 24;

/** Node's own WebSocket, which it has since 22, or that of the package `ws`. */
function findWebSocket() {
  if (globalThis.WebSocket) return undefined;
  return createRequire(new URL("../node/package.json", import.meta.url))("ws").WebSocket;
}

const scenarios = JSON.parse(await text(process.stdin));
const report = (each) => process.stdout.write(`${JSON.stringify(each)}\n`);
await playAll(pushaside, scenarios, { means: { WebSocket: findWebSocket() }, atOnce: AT_ONCE, report });
// Timers of steps that have ended would keep it alive.
process.exitCode = 0;
process.stdout.end(() => process.exit());
