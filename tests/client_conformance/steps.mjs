/**
 * Plays the client's part of scenarios with the browser client, in Node and in a page alike.
 *
 *     const report = await play(pushaside, scenario, { WebSocket });
 */

const STEP_SECONDS = 4;

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const inCamelCase = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

function tellError(error) {
  if (error?.name === "AbortError") return { cancelled: true };
  if (error?.name !== "PushasideError") throw error;
  return { error: error.code, retryable: error.retryable };
}

const tellUpdate = ({ topic, position, data, etag, isResync }) => ({ topic, position, data, etag, is_resync: isResync });

const look = ({ topic, position, value, failure }) => ({ topic, position, value, failure: failure?.code ?? null });

class Player {
  #client;
  #base;
  #underWay = new Map();
  #subscriptions = new Map();

  constructor({ Client }, { url, base, settings, tokens }, means) {
    const named = Object.entries(settings).map(([name, value]) => [inCamelCase(name), value]);
    const left = [...tokens];
    const token = tokens.length ? () => (left.length > 1 ? left.shift() : left[0]) : undefined;
    this.#client = new Client(url, { ...Object.fromEntries(named), ...means, token });
    this.#base = base;
  }

  /** Do the steps and list their outcomes; that of a step under way is with the one that awaits it. */
  async play(steps) {
    const outcomes = [];
    try {
      for (const step of steps) outcomes.push(await this.#begin(step));
    } finally {
      this.#client.close();
    }
    return outcomes;
  }

  async #begin(step) {
    const controller = new AbortController();
    const outcome = this.#bounded(step, controller.signal);
    if (!("as" in step)) return outcome;
    this.#underWay.set(step.as, { outcome, controller });
    return null;
  }

  async #bounded(step, signal) {
    const hung = wait(STEP_SECONDS).then(() => ({ hung: true }));
    return Promise.race([this.#do(step, signal).catch(tellError), hung]);
  }

  async #do(step, signal) {
    switch (step.do) {
      case "connect":
        await this.#client.open();
        return {};
      case "request":
      case "publish":
      case "ping":
        return this.#ask(step, signal);
      case "subscribe":
        return this.#subscribe(step);
      case "take":
        return this.#take(this.#subscriptions.get(step.of), step.count);
      case "take_presence":
        return this.#takePresence(this.#subscriptions.get(step.of).presence, step.count);
      case "take_until":
        return this.#takeUntil(this.#subscriptions.get(step.of).subscription, JSON.stringify(step.data));
      case "take_none":
        return this.#takeNone(this.#subscriptions.get(step.of), step.for_seconds);
      case "look":
        return look(this.#subscriptions.get(step.of).subscription);
      case "unsubscribe":
        this.#subscriptions.get(step.of).subscription.close();
        return {};
      case "await":
        return this.#underWay.get(step.of).outcome;
      case "cancel":
        this.#underWay.get(step.of).controller.abort();
        return {};
      case "close":
        this.#client.close();
        return {};
      case "tell":
      case "reached":
        await fetch(`${this.#base}/${step.do === "tell" ? "tell" : "await"}/${step.mark}`);
        return {};
      default:
        throw new Error(`There is no step ${step.do}.`);
    }
  }

  async #ask({ do: what, compute, params, topic, data, deadline, max_age: maxAge }, signal) {
    const options = { deadline, signal };
    if (what === "ping") {
      await this.#client.ping(options);
      return {};
    }
    if (what === "publish") return { position: await this.#client.publish(topic, data, options) };
    const result = await this.#client.request(compute, params, { ...options, maxAge });
    const { key, etag, cache, ageMs } = result;
    return { key, etag, cache, age_ms: ageMs, data: result.data };
  }

  async #subscribe({ name, topic, compute, params, since, patches }) {
    const subject = topic === undefined ? { compute, params } : { topic };
    const subscription = this.#client.subscribe(subject, { since, patches });
    const presence = [];
    subscription.addEventListener("presence", ({ detail: { topic, ...told } }) => presence.push(told));
    this.#subscriptions.set(name, { subscription, presence, next: null });
    await subscription.ready();
    return look(subscription);
  }

  async #take(taken, count) {
    const updates = [];
    const late = wait(STEP_SECONDS - 0.5).then(() => "late");
    try {
      while (updates.length < count) {
        taken.next ??= taken.subscription.next();
        const got = await Promise.race([taken.next, late]);
        if (got === "late") return { updates, hung: true };
        taken.next = null;
        if (got.done) return { updates, ended: true };
        updates.push(tellUpdate(got.value));
      }
    } catch (error) {
      return { updates, ...tellError(error) };
    }
    return { updates };
  }

  async #takePresence(presence, count) {
    while (presence.length < count) await wait(0.01);
    return { presence: presence.splice(0, count) };
  }

  async #takeUntil(subscription, text) {
    for (;;) {
      const { value } = await subscription.next();
      if (JSON.stringify(value.data) === text) return tellUpdate(value);
    }
  }

  async #takeNone(taken, seconds) {
    taken.next ??= taken.subscription.next();
    const got = await Promise.race([taken.next, wait(seconds)]);
    return { updates: got ? [tellUpdate(got.value)] : [] };
  }
}

/** Play one scenario; `means` are options of the client that say where it runs. */
export async function play(pushaside, scenario, means = {}) {
  const { name } = scenario;
  try {
    return { name, outcomes: await new Player(pushaside, scenario, means).play(scenario.client) };
  } catch (error) {
    return { name, outcomes: [], crash: `${error?.stack ?? error}` };
  }
}

/** Play all of them, some at once, and hand over each report as it comes. */
export async function playAll(pushaside, scenarios, { means, atOnce, report }) {
  const left = [...scenarios];
  const work = async () => {
    for (let scenario; (scenario = left.shift()); ) report(await play(pushaside, scenario, means));
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
