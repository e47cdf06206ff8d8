/** A scripted service: sockets that only the test listens to, and a clock that stands still until it is advanced. */

import { connect } from "../../../clients/browser/pushaside.js";

export const CHANNEL = "prices:eur";
export const LIVE = "leaderboard@1:ab12";

/** Let everything run that waits for nothing but its turn. */
export const settle = async () => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** Wait for what real threads do (decompressing, hashing); fail if it takes too long. */
export async function until(isSo) {
  for (let turn = 0; turn < 2000; turn += 1) {
    if (isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`it never came to ${isSo}`);
}

class FakeClock {
  #at = 0;
  #count = 0;
  #timers = new Map();

  now() {
    return this.#at;
  }

  setTimeout(run, ms) {
    this.#timers.set((this.#count += 1), { at: this.#at + Math.max(0, ms), run });
    return this.#count;
  }

  clearTimeout(timer) {
    this.#timers.delete(timer);
  }

  get size() {
    return this.#timers.size;
  }

  async advance(seconds) {
    const until = this.#at + seconds * 1000;
    for (;;) {
      await settle();
      const due = [...this.#timers].filter(([, { at }]) => at <= until).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#at = Math.max(this.#at, due[1].at);
      due[1].run();
    }
    this.#at = until;
    await settle();
  }
}

export class Service {
  clock = new FakeClock();
  sockets = [];
  isUp = true;

  /** Connect a client; `options` are added to those that make it deterministic. */
  async connect(options = {}) {
    const service = this;
    class WebSocket {
      sent = [];
      isOpen = false;

      constructor(url, protocols, given) {
        Object.assign(this, { url, protocols, given });
        service.sockets.push(this);
        service.clock.setTimeout(() => (service.isUp ? this.accept() : this.drop()), 1);
      }

      accept() {
        this.isOpen = true;
        this.onopen?.({});
      }

      send(text) {
        if (this.isOpen) this.sent.push(JSON.parse(text));
      }

      close() {
        this.isOpen = false;
      }

      /** The connection is lost. */
      drop() {
        this.isOpen = false;
        this.onerror?.({});
        this.onclose?.({ code: 1006 });
      }

      /** Push a message, or a text as it is. */
      say(message) {
        this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
      }

      /** Find what was asked by its action; the latest. */
      asked(action) {
        return this.sent.findLast((each) => each.action === action);
      }
    }
    const opening = connect("ws://service/v1", { WebSocket, clock: this.clock, random: () => 0.5, ...options });
    opening.catch(() => {});
    await this.clock.advance(0.1);
    return opening;
  }

  /** The connection that was opened last. */
  get socket() {
    return this.sockets.at(-1);
  }

  /** Say welcome, so that nobody is in doubt about the hello. */
  welcome(fields = {}) {
    this.socket.say({ type: "welcome", id: this.socket.asked("hello").id, session: "s1", ...fields });
  }

  /** Answer what was asked last with a result. */
  result(fields) {
    const { id } = this.socket.asked("request");
    return { type: "result", id, key: "k", etag: "e", cache: "hit", age_ms: 812, ...fields };
  }

  subscribed(position, fields = {}) {
    const { id, topic = LIVE } = this.socket.asked("subscribe");
    this.socket.say({ type: "subscribed", id, topic, position, recovered: true, ...fields });
  }

  update(position, data, fields = {}) {
    this.socket.say({ type: "update", topic: CHANNEL, position, data, ...fields });
  }
}

/** Collect what a subscription brings, until it ends. */
export function collect(subscription) {
  const got = [];
  const done = (async () => {
    for await (const update of subscription) got.push(update);
  })();
  done.catch(() => {});
  return Object.assign(got, { done });
}
