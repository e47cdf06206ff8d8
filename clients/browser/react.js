"use client";
/**
 * React hooks for Pushaside: live results and topics as values that a component renders.
 *
 *     <PushasideProvider url="wss://push.example.com/v1" token={getToken}>...</PushasideProvider>
 *
 *     const { data, error, isStale } = useResult("customer_orders", { customer });
 *     const { messages, publish } = useTopic("chat:lobby");
 *
 * Components that ask for the same thing share one subscription. It outlives its last component by
 * `unsubscribeAfterSeconds`, so that neither Strict Mode nor a change of pages makes it again. The module is plain
 * JavaScript without JSX, and needs no build step. Its sections: what components share; the hub of a provider; hooks.
 */
import {
  createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useSyncExternalStore,
} from "react";
import { Client, PushasideError } from "./pushaside.js";

const LATE_SECONDS = 10;
const MOST_MESSAGES = 1000;
const RETRY_BASE_SECONDS = 1;
const RETRY_CAP_SECONDS = 30;

const now = () => performance.now();
const after = (seconds, run) => setTimeout(run, seconds * 1000);

/** Write JSON with sorted members, so that equal params make equal keys. */
function writeCanonical(value) {
  const sorted = (_name, each) =>
    each === null || typeof each !== "object" || Array.isArray(each)
      ? each
      : Object.fromEntries(Object.entries(each).sort(([one], [other]) => (one < other ? -1 : 1)));
  return JSON.stringify(value, sorted);
}

// ---------------------------------------------------------------------------------------------------------------------
// What components share

const NO_RESULT = Object.freeze({
  data: undefined, failure: null, problem: null, isStale: false, isRefreshing: false, computedAt: null,
});
const NO_MESSAGES = Object.freeze({
  messages: Object.freeze([]), latest: null, presence: null, problem: null, isConfirmed: false, isStale: false,
});

/** An immutable state, and the components to tell when another one replaces it. */
class Store {
  #watchers = new Set();

  constructor(state) {
    this.state = state;
  }

  get isWatched() {
    return this.#watchers.size > 0;
  }

  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Replace fields of the state. Tell nobody if they are the same. */
  change(fields) {
    if (Object.entries(fields).every(([name, value]) => Object.is(this.state[name], value))) return;
    this.state = Object.freeze({ ...this.state, ...fields });
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** Follows a subscription, and makes it again after errors that a retry can fix. */
class Follower {
  #subscribe;
  #events;
  #subscription = null;
  #failures = 0;
  #retry;

  /** `events` are `take(update)`, `look(subscription)`, `tell(presence)` and `fail(error)`. */
  constructor(subscribe, events) {
    this.#subscribe = subscribe;
    this.#events = events;
  }

  get isFollowing() {
    return this.#subscription !== null;
  }

  get isStale() {
    return !this.#subscription?.holds;
  }

  get failure() {
    return this.#subscription?.failure ?? null;
  }

  start() {
    clearTimeout(this.#retry);
    try {
      this.#follow(this.#subscribe());
    } catch (error) {
      this.#refused(error);
    }
  }

  /** Subscribe once more for the service's current value, and keep the old subscription until the new one holds. */
  async renew() {
    const next = this.#subscribe();
    const old = this.#subscription;
    try {
      await next.ready();
    } catch (error) {
      next.close();
      throw error;
    }
    if (this.#subscription === old) this.#follow(next);
    else next.close();
  }

  stop() {
    clearTimeout(this.#retry);
    const subscription = this.#subscription;
    this.#subscription = null;
    subscription?.close();
  }

  async #follow(subscription) {
    const old = this.#subscription;
    this.#subscription = subscription;
    old?.close();
    const isCurrent = () => subscription === this.#subscription;
    subscription.addEventListener("change", () => isCurrent() && this.#events.look());
    subscription.addEventListener("presence", ({ detail }) => isCurrent() && this.#events.tell(detail));
    try {
      for await (const update of subscription) {
        if (!isCurrent()) return;
        this.#failures = 0;
        this.#events.take(update);
      }
    } catch (error) {
      if (isCurrent()) this.#refused(error);
    }
  }

  #refused(error) {
    this.#subscription = null;
    this.#events.fail(error);
    if (!error.retryable) return;
    const seconds = Math.min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2 ** this.#failures++) * (1 + Math.random() / 4);
    this.#retry = after(Math.max(seconds, (error.retryAfterMs ?? 0) / 1000), () => this.start());
  }
}

/** A live result: a subscription keeps its value current. */
class LiveResult {
  store = new Store(NO_RESULT);
  #hub;
  #compute;
  #params;
  #etag = "";
  #taken = 0;
  #follower;
  #refreshing = null;

  constructor(hub, { compute, params }) {
    this.#hub = hub;
    this.#compute = compute;
    this.#params = params;
    this.#follower = new Follower(
      () => hub.client.subscribe({ compute, params }, { patches: hub.settings.patches }),
      { take: (update) => this.#take(update), look: () => this.#look(), tell() {}, fail: (error) => this.fail(error) },
    );
  }

  get isWaiting() {
    return this.store.state.computedAt === null;
  }

  start() {
    this.#follower.start();
  }

  stop() {
    this.#follower.stop();
  }

  fail(problem) {
    this.store.change({ problem, isStale: !this.isWaiting });
  }

  /** Have the result computed now, and resolve when that is done. Calls at the same time share one compute. */
  refresh() {
    this.#refreshing ??= this.#recompute().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async #recompute() {
    const { store } = this;
    const taken = this.#taken;
    store.change({ isRefreshing: true });
    try {
      if (!this.#follower.isFollowing) this.#follower.start();
      const result = await this.#hub.client.request(this.#compute, this.#params, { maxAge: 0 });
      // An update that has arrived meanwhile may be newer than this answer.
      await this.#accept(result, taken === this.#taken);
      store.change({ problem: null });
    } catch (problem) {
      store.change({ problem });
    } finally {
      store.change({ isRefreshing: false });
    }
  }

  /** Show an answer if it is the newest, and resubscribe if the subscription has not brought the same value. */
  async #accept({ data, etag, ageMs }, isNewest) {
    if (etag === this.#etag) return this.store.change({ computedAt: now() - ageMs });
    if (isNewest) {
      this.#etag = etag;
      this.store.change({ data, computedAt: now() - ageMs, failure: null });
    }
    await this.#follower.renew();
  }

  #take({ data, etag }) {
    const isNew = !etag || etag !== this.#etag;
    this.#taken += 1;
    this.#etag = etag;
    const { failure, isStale } = this.#follower;
    this.store.change({ ...(isNew && { data, computedAt: now() }), failure, problem: null, isStale });
  }

  #look() {
    const { failure, isStale } = this.#follower;
    this.store.change({ failure, isStale: !this.isWaiting && (isStale || failure !== null) });
  }
}

/** A result that is requested once, and again when a component refreshes it. */
class SingleResult {
  store = new Store(NO_RESULT);
  #hub;
  #asked;
  #leaving = new AbortController();

  constructor(hub, asked) {
    this.#hub = hub;
    this.#asked = asked;
  }

  get isWaiting() {
    return this.store.state.computedAt === null;
  }

  start() {
    this.#ask({ maxAge: this.#asked.maxAge });
  }

  stop() {
    this.#leaving.abort();
  }

  fail(problem) {
    this.store.change({ problem });
  }

  async refresh() {
    this.store.change({ isRefreshing: true });
    await this.#ask({ maxAge: 0 });
    this.store.change({ isRefreshing: false });
  }

  async #ask(options) {
    const { compute, params } = this.#asked;
    const { signal } = (this.#leaving = new AbortController());
    try {
      const { data, cache, ageMs } = await this.#hub.client.request(compute, params, { ...options, signal });
      this.store.change({ data, computedAt: now() - ageMs, isStale: cache === "stale", problem: null });
    } catch (problem) {
      if (!signal.aborted) this.store.change({ problem });
    }
  }
}

/** The latest messages of a channel. */
class Channel {
  store = new Store(NO_MESSAGES);
  #follower;

  constructor(hub, { topic, since }) {
    // A subscription that is made again continues where the one before it ended.
    const position = () => this.store.state.latest?.position ?? since;
    this.#follower = new Follower(() => hub.client.subscribe(topic, { since: position() }), {
      take: (update) => this.#take(update),
      look: () => this.#look(),
      tell: (presence) => this.store.change({ presence }),
      fail: (error) => this.fail(error),
    });
  }

  get isWaiting() {
    return !this.store.state.isConfirmed;
  }

  start() {
    this.#follower.start();
  }

  stop() {
    this.#follower.stop();
  }

  fail(problem) {
    this.store.change({ problem, isStale: !this.isWaiting });
  }

  async refresh() {
    if (!this.#follower.isFollowing) this.#follower.start();
  }

  #take(update) {
    const { messages } = this.store.state;
    // A resync's message replaces all earlier ones. It is null if the service has none any more.
    const kept = update.isResync ? [] : messages;
    const added = update.isResync && update.data === null ? [] : [update];
    const newest = Object.freeze([...kept, ...added].slice(-MOST_MESSAGES));
    this.store.change({ messages: newest, latest: update, problem: null });
  }

  #look() {
    const { isStale } = this.#follower;
    const isConfirmed = this.store.state.isConfirmed || !isStale;
    this.store.change({ isConfirmed, isStale: isConfirmed && isStale, ...(isStale ? {} : { problem: null }) });
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The hub of a provider

/** A provider's client, and what its components share. The client opens and closes with the first and last of them. */
class Hub {
  #makeClient;
  #client = null;
  #isOpen = false;
  #mounts = 0;
  #closing;
  #clientChanged = new Store({ client: null });
  #shared = new Map();

  constructor(makeClient, settings) {
    this.#makeClient = makeClient;
    this.settings = settings;
  }

  get client() {
    this.#client ??= this.#makeClient();
    return this.#client;
  }

  get ownsClient() {
    return this.settings.ownsClient;
  }

  open() {
    if (this.#isOpen || !this.ownsClient) return;
    this.#isOpen = true;
    // Each subscription and request fails with the same error.
    this.client.open().catch(() => {});
  }

  /** Note a mounted provider; return the function that notes its end. */
  mount() {
    clearTimeout(this.#closing);
    this.#mounts += 1;
    this.open();
    return () => {
      this.#mounts -= 1;
      if (!this.#mounts) this.#closing = after(this.settings.unsubscribeAfterSeconds, () => this.#close());
    };
  }

  watchClient(watcher) {
    return this.#clientChanged.watch(watcher);
  }

  /** Replace a client that is closed for good, and subscribe with the new one. */
  reopen() {
    if (!this.ownsClient || !this.client.isClosed) return;
    this.#forgetClient();
    this.open();
    this.#clientChanged.change({ client: this.client });
    for (const { shared } of this.#shared.values()) shared.start();
  }

  peek(key) {
    return this.#shared.get(key)?.shared.store.state;
  }

  /** Call `watcher` on each change of what `make` makes. The components with the same key share it. */
  watch(key, make, watcher) {
    this.open();
    const entry = this.#shared.get(key) ?? this.#add(key, make(this));
    clearTimeout(entry.leaving);
    const unwatch = entry.shared.store.watch(watcher);
    return () => {
      unwatch();
      if (!entry.shared.store.isWatched)
        entry.leaving = after(this.settings.unsubscribeAfterSeconds, () => this.#drop(key, entry));
    };
  }

  async refresh(key) {
    this.reopen();
    await this.#shared.get(key)?.shared.refresh();
  }

  #add(key, shared) {
    const entry = { shared, leaving: undefined, late: after(LATE_SECONDS, () => this.#late(shared)) };
    this.#shared.set(key, entry);
    shared.start();
    return entry;
  }

  /** Browsers do not say why they cannot connect, and the client keeps trying: after some time, say at least that. */
  #late(shared) {
    if (this.client.state === "open" || this.client.isClosed || !shared.isWaiting) return;
    const sentence = `The service has not been reached for ${LATE_SECONDS} s. The client keeps trying.`;
    shared.fail(new PushasideError("unreachable", sentence));
  }

  #drop(key, entry) {
    clearTimeout(entry.late);
    clearTimeout(entry.leaving);
    if (this.#shared.get(key) === entry) this.#shared.delete(key);
    entry.shared.stop();
  }

  #close() {
    for (const [key, entry] of [...this.#shared]) this.#drop(key, entry);
    this.#forgetClient();
  }

  #forgetClient() {
    if (this.ownsClient) this.#client?.close();
    this.#client = null;
    this.#isOpen = false;
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Hooks

const HubContext = createContext(/** @type {Hub | null} */ (null));

function useHub() {
  const hub = useContext(HubContext);
  if (!hub) throw new Error("Render this component inside a <PushasideProvider>.");
  return hub;
}

/** Return what makes another client necessary: a function may change with each render, a text may not. */
const identityOf = (value) => (typeof value === "function" ? "function" : value);

/**
 * Gives the components inside it a client: a new one for `url`, or `client`.
 * @param {import("./react.d.ts").PushasideProviderProps} props
 */
export function PushasideProvider(props) {
  const { children, url, token, client, options, patches = true, unsubscribeAfterSeconds = 5 } = props;
  const latest = useRef({ url, token });
  useEffect(() => {
    latest.current = { url, token };
  });
  const hub = useMemo(() => {
    const settings = { patches, unsubscribeAfterSeconds, ownsClient: !client };
    if (client) return new Hub(() => client, settings);
    if (!url) throw new TypeError("Pass <PushasideProvider> a `url` or a `client`.");
    const current = (name, value) => (typeof value === "function" ? () => latest.current[name]() : value);
    const make = () =>
      new Client(current("url", url), { connectAttempts: Infinity, ...options, token: current("token", token) });
    return new Hub(make, settings);
  }, [client, identityOf(url), identityOf(token), patches, unsubscribeAfterSeconds]);
  useEffect(() => hub.mount(), [hub]);
  return createElement(HubContext.Provider, { value: hub }, children);
}

/** Return the provider's client, for requests and everything else that no hook does. */
export function useClient() {
  const hub = useHub();
  const watch = useCallback((watcher) => hub.watchClient(watcher), [hub]);
  const read = () => hub.client;
  return useSyncExternalStore(watch, read, read);
}

/** Return the connection's state: `connecting`, `open`, `reconnecting` or `closed`. */
export function useConnectionState() {
  const client = useClient();
  const watch = useCallback(
    (watcher) => {
      client.addEventListener("statechange", watcher);
      return () => client.removeEventListener("statechange", watcher);
    },
    [client],
  );
  return useSyncExternalStore(watch, () => client.state, () => /** @type {const} */ ("connecting"));
}

/** Watch what `make` makes under a key, or nothing if the key is null. */
function useShared(key, make, empty) {
  const hub = useHub();
  const watch = useCallback((watcher) => (key === null ? () => {} : hub.watch(key, make, watcher)), [hub, key]);
  const read = () => (key !== null && hub.peek(key)) || empty;
  const state = useSyncExternalStore(watch, read, () => empty);
  const refresh = useCallback(async () => {
    if (key !== null) await hub.refresh(key);
  }, [hub, key]);
  return { hub, state, refresh };
}

/**
 * Return the result of a compute, kept current while the component is mounted.
 * @param {string} compute
 * @param {object} [params]
 * @param {import("./react.d.ts").ResultOptions<any>} [options]
 * @returns {import("./react.d.ts").ResultState<any>}
 */
export function useResult(compute, params = {}, options = {}) {
  const { enabled = true, live = true, maxAge, initialData } = options;
  const key = enabled ? writeCanonical({ compute, params, maxAge: live ? undefined : maxAge, live }) : null;
  // The key says everything, so equal params share a result whatever their objects are.
  const make = (hub) => (live ? new LiveResult(hub, JSON.parse(key)) : new SingleResult(hub, JSON.parse(key)));
  const { state, refresh } = useShared(key, make, NO_RESULT);
  return useMemo(() => {
    const { failure, problem, isStale, isRefreshing, computedAt } = state;
    const isInitial = computedAt === null && initialData !== undefined;
    const data = isInitial ? initialData : state.data;
    const error = failure ?? problem;
    const hasData = isInitial || computedAt !== null;
    const status = error ? "error" : hasData ? "ready" : enabled ? "loading" : "idle";
    return {
      data, error, status, isLoading: status === "loading", isStale: isStale || isInitial, isRefreshing, refresh,
      get ageMs() {
        return computedAt === null ? null : now() - computedAt;
      },
    };
  }, [state, refresh, enabled, initialData]);
}

/**
 * Return the messages of a channel that arrive while the component is mounted, and a function to publish to it.
 * @param {string} topic
 * @param {import("./react.d.ts").TopicOptions} [options]
 * @returns {import("./react.d.ts").TopicState<any>}
 */
export function useTopic(topic, options = {}) {
  const { enabled = true, since, limit = 100 } = options;
  const key = enabled ? writeCanonical({ topic }) : null;
  const make = (hub) => new Channel(hub, { topic, since });
  const { hub, state, refresh } = useShared(key, make, NO_MESSAGES);
  const publish = useCallback((data, given) => hub.client.publish(topic, data, given), [hub, topic]);
  return useMemo(() => {
    const { latest, presence, problem: error, isStale, isConfirmed } = state;
    const messages = limit < state.messages.length ? state.messages.slice(state.messages.length - limit) : state.messages;
    const status = error ? "error" : isConfirmed ? "ready" : enabled ? "loading" : "idle";
    return { messages, latest, presence, error, status, isStale, publish, retry: refresh };
  }, [state, publish, refresh, enabled, limit]);
}
