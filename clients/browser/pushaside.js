/**
 * Client of Pushaside for browsers and Node: ask for results over one WebSocket, and have them pushed back.
 *
 *     const client = await connect("ws://127.0.0.1:8080/v1");
 *     const { cache, data } = await client.request("documents", { collection: "airports", ids: ["TX"] });
 *
 * One file, nothing to build and nothing to install. Names and rules are those of the Python client. Times are seconds,
 * but for names that end in `Ms`.
 *
 * How it is made: a `Link` is one open socket. An exchange is something asked and not settled; it is on a link, or
 * waits for one, or for its time to be asked again. A `Feed` puts a topic's messages in order, and does nothing else.
 * `Client` moves exchanges and feeds to whichever link is current, and is the only one that sends.
 */

/** @typedef {import("./pushaside.d.ts").Options} Options */
/** @typedef {import("./pushaside.d.ts").Result} Result */
/** @typedef {import("./pushaside.d.ts").RequestOptions} RequestOptions */
/** @typedef {import("./pushaside.d.ts").ErrorDetails} ErrorDetails */

const DEFAULTS = Object.freeze({
  openTimeoutSeconds: 10,
  connectAttempts: 5,
  reconnectAttempts: Infinity,
  backoffBaseSeconds: 0.5,
  backoffCapSeconds: 30,
  reaskSeconds: 10,
  reaskCapSeconds: 60,
  maxRetries: 5,
  keepaliveSeconds: 540, // API Gateway cuts a connection after ten idle minutes
  pongTimeoutSeconds: 10,
  maxConnectionSeconds: 6600, // and any after two hours
  drainSeconds: 60,
  maxResultBytes: 64 * 1024 * 1024,
  maxUnfinishedBytes: 64 * 1024 * 1024,
  maxUnfinishedResults: 1024,
  fetchTimeoutSeconds: 30,
  fetchAttempts: 3,
  gapSeconds: 1,
  maxQueuedUpdates: 1000,
});

/** A browser's message is one frame. API Gateway takes 32 KiB of it; its header has up to 14 bytes (RFC 6455, 5.2). */
const FRAME_BYTES = 32 * 1024;
const FRAME_HEADER_BYTES = 14;
const MOST_PIECES = 8192;
const MOST_STRAYS = 1000;
const UNSUBSCRIBE_SECONDS = 30;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const PING = '{"action":"ping"}';
const RETRYABLE = new Set(["rate_limited", "source_throttled", "timeout", "internal", "unreachable"]);
/** What S3 and CloudFront say of a link whose time is over, or whose object is gone. */
const EXPIRED = new Set([400, 401, 403, 404, 410]);

const CLOCK = {
  now: () => performance.now(),
  /** @type {(run: () => void, ms: number) => any} */
  setTimeout: (run, ms) => setTimeout(run, ms),
  /** @type {(timer: any) => void} */
  clearTimeout: (timer) => clearTimeout(timer),
};

/**
 * What went wrong: `code` is the wire's name of it, `message` a sentence for people. `retryable` tells whether the same
 * can succeed later, `retryAfterMs` when, if the service said so. `unreachable`, `closed` and `unreadable` are the
 * client's own codes; `timeout` and `too_large` may be.
 */
export class PushasideError extends Error {
  /** @param {string} code @param {string} message @param {ErrorDetails} details */
  constructor(code, message, { retryable = RETRYABLE.has(code), retryAfterMs, cause, status } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "PushasideError";
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
    this.status = status;
  }
}

function errorFromWire(fields) {
  const { code: said, message, retryable, retry_after_ms: ms } = isObject(fields) ? fields : {};
  const code = typeof said === "string" && said ? said : "internal";
  const sentence = typeof message === "string" && message ? message : `The service answered with the error ${code}.`;
  const options = { retryAfterMs: typeof ms === "number" ? Math.max(0, ms) : undefined };
  return new PushasideError(code, sentence, typeof retryable === "boolean" ? { ...options, retryable } : options);
}

// How long to wait

/** Anything up to a bound that doubles: clients that were cut off together do not come back together. */
const fullJitter = (attempt, random, base, cap) => random * Math.min(cap, base * 2 ** attempt);
/** Doubling up to a cap, and up to a quarter longer: to ask again sooner would only double the load. */
const growing = (attempt, random, base, cap) => Math.min(cap, base * 2 ** attempt) * (1 + random / 4);
const aLittleEarly = (seconds, random) => seconds * (1 - random / 10);

// The forms of data

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isNumber = (value) => typeof value === "number" && value >= 0;
const textOr = (value, other) => (typeof value === "string" ? value : other);
/** Whether the data of a message is there as it is, and not encoded or elsewhere. */
const isPlain = (message) => "data" in message && !("encoding" in message);
const tooLarge = (limit) => new PushasideError("too_large", `The result has more than ${limit} bytes.`);

/** Write a value as JSON now: later changes to the caller's objects change nothing. */
function writeJson(value, what) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new PushasideError("invalid_params", `The ${what} cannot be written as JSON: ${cause}`, { cause });
  }
  if (text === undefined) throw new PushasideError("invalid_params", `The ${what} cannot be written as JSON.`);
  return text;
}

/** Write a message whose member `name` is JSON already. */
const writeMessage = (fields, name, json) => `${JSON.stringify(fields).slice(0, -1)},"${name}":${json}}`;

async function readBytes(stream, limit) {
  const parts = [];
  let size = 0;
  for (const reader = stream.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    parts.push(value);
    if ((size += value.length) > limit) {
      reader.cancel().catch(() => {});
      throw tooLarge(limit);
    }
  }
}

async function decodeData(text, encoding, limit) {
  if (encoding !== "gzip+base64" || typeof text !== "string")
    throw new PushasideError("unreadable", `The result came in a form that was not asked for: ${encoding}.`);
  try {
    const compressed = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(new TextDecoder().decode(await readBytes(stream, limit)));
  } catch (cause) {
    if (cause instanceof PushasideError) throw cause;
    throw new PushasideError("unreadable", `The result came damaged: ${cause}`, { cause });
  }
}

async function fetchData(url, etag, limit, signal, fetch) {
  if (!/^https?:\/\//i.test(textOr(url, "")))
    throw new PushasideError("unreadable", "The result came without data, and without a link that can be followed.");
  let bytes;
  try {
    const response = await fetch(url, { signal, credentials: "omit" });
    const { ok, status } = response;
    if (!ok) throw new PushasideError("unreachable", `The link to the result was answered with ${status}.`, {
      status, retryable: EXPIRED.has(status) || status === 408 || status === 429 || status >= 500,
    });
    bytes = response.body ? await readBytes(response.body, limit) : new Uint8Array();
  } catch (cause) {
    if (cause instanceof PushasideError) throw cause;
    throw new PushasideError("unreachable", `The link to the result cannot be followed: ${cause}`, { cause });
  }
  try {
    await checkEtag(bytes, etag);
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new PushasideError("unreadable", `The data was fetched and is damaged: ${cause}`, { cause, retryable: true });
  }
}

/** Check data against the etag, its hash. Pages of no secure context can't, and other etags tell nothing. */
async function checkEtag(bytes, etag) {
  if (!globalThis.crypto?.subtle || !/^[0-9a-f]{24}$/.test(textOr(etag, ""))) return;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (!hex.startsWith(etag)) throw new Error(`it is not what the etag ${etag} names`);
}

// Topics

function parsePosition(text) {
  const found = /^([A-Za-z0-9_-]{1,32}):(0|[1-9][0-9]{0,15})$/.exec(textOr(text, ""));
  return found && { epoch: found[1], offset: Number(found[2]), text: found[0] };
}

/** What one message of a topic brings: `value` is null if it only says where the topic is. */
function readPushed(message, isResync) {
  const position = parsePosition(message.position);
  if (typeof message.topic !== "string" || !position) return null;
  const has = isObject(message.error) || "data" in message || "url" in message;
  return { topic: message.topic, position, isResync, value: has ? message : null };
}

/**
 * One subscription's messages in order, each once, whatever order and however often they come in.
 *
 * A message is applied if it is the next one, and only then does the position move; what comes before its time is held.
 * Of a channel the next one is that with the next offset, or a resync; of a live result any that is newer, and of those
 * applied only the newest waits to be taken. What stays missing is had by subscribing anew since the position.
 */
class Feed {
  value = null;
  failure = null;
  error = null;
  isSubscribed = false;
  isFull = false;
  /** The message that is applied once its data has been read. */
  unread = null;
  #limit;
  #etag = null;
  #taken;
  #queue = [];
  #held = new Map();
  #hasDropped = false;
  #askedSince;
  #awaitedEpoch = null;

  constructor({ topic, compute, params, since, limit }) {
    this.isLive = compute !== undefined;
    this.topic = topic ?? null;
    this.key = this.isLive ? `${compute} ${params}` : topic;
    this.subject = this.isLive ? { compute } : { topic };
    this.params = params;
    this.position = this.#taken = this.#askedSince = since;
    this.#limit = limit;
    /** Called when there may be something to take. */
    this.changed = () => {};
    // Where it comes from, which the client keeps: what `timer` is for is `plan`, "gap", "ask" or "read".
    this.link = this.exchange = this.timer = this.plan = this.reading = this.readingOf = null;
    this.askedAt = -Infinity;
    this.failures = this.reads = 0;
  }

  get taken() {
    return this.#queue.length ? this.#taken : this.position;
  }

  get isMissing() {
    if (this.isFull || this.unread || this.error) return false;
    return this.#held.size > 0 || this.#hasDropped || this.#awaitedEpoch !== null;
  }

  /** Whether the topic is known to be in another epoch: what is missing will not come by itself. */
  get isElsewhere() {
    const epoch = this.position?.epoch;
    return epoch !== undefined && [...this.#held.values()].some((each) => each.position.epoch !== epoch);
  }

  /** It is asked for anew, since the position: all that comes after that will come again. */
  begin() {
    this.#forgetHeld();
    this.#askedSince = this.position;
    this.unread = null;
  }

  take() {
    const update = this.#queue.shift();
    if (update) this.#taken = parsePosition(update.position);
    return update;
  }

  /** Tell whether there is room again where there was none. */
  makeRoom() {
    if (!this.isFull || this.#queue.length > this.#limit / 2) return false;
    this.isFull = false;
    return true;
  }

  end(error) {
    this.error ??= error;
    this.unread = null;
    this.#forgetHeld();
    this.changed();
  }

  /** Take the answer to what was asked after `begin`. */
  subscribed(pushed, recovered) {
    const { position } = pushed;
    this.topic = pushed.topic;
    this.isSubscribed = true;
    const since = this.#askedSince;
    // Where the service has gone back, Redis has lost messages that had come, and their offsets are given again.
    const isLost = !recovered || (since?.epoch === position.epoch && position.offset < since.offset);
    const current = { ...pushed, isResync: isLost };
    if (this.isLive) this.#takeCurrent(current);
    else if (isLost) this.#takeLost(current);
    else this.position ??= position;
    this.#applyHeld();
    this.changed();
  }

  push(pushed) {
    if (this.error || this.isFull || this.#isOld(pushed.position)) return;
    if (this.isLive && !pushed.value) this.#hasDropped = true;
    else {
      this.#hold(pushed);
      this.#applyHeld();
    }
  }

  /** Take the data of `unread`. */
  read(data) {
    this.#apply(this.unread, data);
    this.#applyHeld();
  }

  get #mark() {
    return this.unread ? this.unread.position : this.position;
  }

  #isOld(its) {
    const mark = this.#mark;
    return mark !== null && its.epoch === mark.epoch && its.offset <= mark.offset;
  }

  /** A live result as it was when it was subscribed to; an update may have overtaken it. */
  #takeCurrent(current) {
    if (!current.isResync && current.position.text !== this.#mark?.text && this.#isOld(current.position)) return;
    if (current.value) this.#applyOrRead(current);
    else {
      this.position = current.position;
      this.unread = null;
    }
  }

  /** What stands for messages that are lost; without it, a resync will bring it. */
  #takeLost(pushed) {
    if (!pushed.value) this.#awaitedEpoch = pushed.position.epoch;
    else if (!this.isFull) this.#applyOrRead(pushed);
  }

  #hold(pushed) {
    const { epoch, offset, text } = pushed.position;
    if (this.isLive) {
      for (const [name, { position }] of this.#held) {
        if (position.epoch !== epoch) continue;
        if (position.offset > offset) return;
        this.#held.delete(name);
      }
    }
    if (this.#held.size >= this.#limit && !this.#held.has(text)) this.#hasDropped = true;
    else this.#held.set(text, pushed);
  }

  #applyHeld() {
    for (let pushed; (pushed = this.#popNext()); ) this.#applyOrRead(pushed);
  }

  #popNext() {
    const mark = this.#mark;
    if (!this.#held.size || !mark || this.isFull || this.unread || this.error) return null;
    const name = `${mark.epoch}:${mark.offset + 1}`;
    let next = this.#held.get(name) ?? null;
    for (const [text, pushed] of next ? [] : this.#held) {
      if (this.#isOld(pushed.position)) this.#held.delete(text);
      else if (this.#mayJump(pushed, mark) && !(next?.position.offset >= pushed.position.offset)) next = pushed;
    }
    if (next) this.#held.delete(next.position.text);
    return next;
  }

  #mayJump({ position, isResync }, mark) {
    if (isResync && position.epoch === this.#awaitedEpoch) return true;
    return position.epoch === mark.epoch && (isResync || this.isLive);
  }

  #applyOrRead(pushed) {
    const { value } = pushed;
    if (value && !isObject(value.error) && !isPlain(value)) this.unread = pushed;
    else this.#apply(pushed, value?.data ?? null);
  }

  #apply({ topic, position, value, isResync }, data) {
    if (!this.#queue.length) this.#taken = this.position;
    this.position = position;
    this.unread = this.#awaitedEpoch = null;
    const etag = textOr(value?.etag, "");
    this.failure = isObject(value?.error) ? errorFromWire(value.error) : null;
    if (this.failure) {
      this.#etag = null;
      return this.changed();
    }
    if (this.isLive) {
      if (etag && etag === this.#etag) return;
      this.value = data;
      this.#etag = etag;
      this.#queue.length = 0;
    }
    this.#queue.push({ topic, position: position.text, data, etag, isResync });
    this.changed();
    if (!this.isLive && this.#queue.length >= this.#limit) {
      this.isFull = true;
      this.#forgetHeld();
    }
  }

  #forgetHeld() {
    this.#held.clear();
    this.#hasDropped = false;
    this.#awaitedEpoch = null;
  }
}

/**
 * What is new of a topic, in order and each once, through all losses of the connection; made by a client.
 *
 *     for await (const { position, data } of client.subscribe("prices:eur")) console.log(position, data);
 *
 * If nobody takes the updates, `maxQueuedUpdates` of a channel wait, and the rest is had from the service's history
 * once there is room; of a live result only the newest waits. Leaving the loop unsubscribes.
 */
export class Subscription {
  #feed;
  #take;
  #giveBack;
  #woken = withResolvers();
  #isClosed = false;

  constructor(feed, take, giveBack) {
    this.#feed = feed;
    this.#take = take;
    this.#giveBack = giveBack;
    feed.changed = () => this.#wake();
  }

  /** The topic's name; that of a live result is null until the subscription holds. */
  get topic() {
    return this.#feed.topic;
  }

  /** How far the updates go that were taken, to subscribe `since` later; null until the subscription holds. */
  get position() {
    return this.#feed.taken?.text ?? null;
  }

  /** The newest value of a live result, taken or not. */
  get value() {
    return this.#feed.value;
  }

  /** What a live result can't be computed for at the moment, if so; `value` is then the last that could. */
  get failure() {
    return this.#feed.failure;
  }

  /** Wait until the subscription holds; throws if it is refused. */
  async ready() {
    while (!this.#feed.isSubscribed && !this.#isClosed) {
      if (this.#feed.error) throw this.#feed.error;
      await this.#woken.promise;
    }
    return this;
  }

  /** Wait for the next update; throws if the subscription was refused or the client closed. */
  async next() {
    while (!this.#isClosed) {
      const value = this.#take();
      if (value) return { value, done: false };
      if (this.#feed.error) throw this.#feed.error;
      await this.#woken.promise;
    }
    return { value: undefined, done: true };
  }

  async return() {
    this.close();
    return { value: undefined, done: true };
  }

  /** Unsubscribe; who iterates is at the end. Closing twice does no harm. */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#giveBack();
    this.#wake();
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  #wake() {
    const { resolve } = this.#woken;
    this.#woken = withResolvers();
    resolve();
  }
}

/** `Promise.withResolvers`, which not every engine has yet. */
function withResolvers() {
  /** @type {any} */
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

/** One open connection; `drainUntil` is finite once another has taken its place. */
class Link {
  exchanges = new Set();
  feeds = new Set();
  heardAt = null;
  pingedAt = null;
  wasPinged = false;
  replaceAt = Infinity;
  drainUntil = Infinity;
  helloAt = Infinity;
  hellos = 0;
  timer = null;

  constructor(socket, id, now) {
    this.socket = socket;
    this.id = id;
    this.openedAt = this.sentAt = now;
  }

  get isOver() {
    return this.drainUntil < Infinity && !this.exchanges.size && !this.feeds.size;
  }
}

function makeSocket(Given, url, token) {
  const Socket = Given ?? globalThis.WebSocket;
  if (!Socket)
    throw new PushasideError("unreachable", "There is no WebSocket here: give one as an option.", { retryable: false });
  if (!token) return new Socket(url);
  // Who has no Origin, as outside of pages, must show the token in a header. Node's own class takes headers in its
  // second argument, the package `ws` in a third, which browsers ignore.
  const protocols = ["pushaside.v1", `bearer.${token}`];
  const headers = { Authorization: `Bearer ${token}` };
  const isOfNode = !Given && !globalThis.document && globalThis.process?.versions?.node;
  return isOfNode ? new Socket(url, { protocols, headers }) : new Socket(url, protocols, { headers });
}

const hexOfRandom = (bytes) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** A connection to the service that mends itself; made by `connect`. It dispatches `statechange`. */
export class Client extends EventTarget {
  #state = "connecting";
  #url;
  /** @type {any} */
  #options;
  #clock;
  #accept;
  #prefix = hexOfRandom(8);
  #count = 0;
  #session;
  #frameBytes = FRAME_BYTES;
  #ended = null;
  #opened = withResolvers();
  #connecting = null;
  #failures = 0;
  #links = new Set();
  #current = null;
  #exchanges = new Map();
  #pieces = new Map();
  #unfinishedBytes = 0;
  #feeds = new Set();
  #byTopic = new Map();
  #leaving = new Map();
  #strays = new Map();
  #hurry = () => {
    if (this.#connecting?.timer) this.#begin(this.#backoff(0), true);
  };

  /** @param {string | (() => string | Promise<string>)} url @param {Options} options */
  constructor(url, options = {}) {
    super();
    this.#url = url;
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    const means = { random: Math.random, fetch: globalThis.fetch?.bind(globalThis), clock: CLOCK };
    this.#options = { ...means, ...DEFAULTS, ...given };
    this.#clock = this.#options.clock;
    const readsGzip = typeof DecompressionStream === "function" && this.#options.acceptGzip !== false;
    this.#accept = readsGzip ? ["gzip"] : [];
    this.#opened.promise.catch(() => {});
  }

  /** `connecting`, `open`, `reconnecting` or `closed`. */
  get state() {
    return this.#state;
  }

  /** Connect; `connect` does it. */
  async open() {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    const sentence = "The client's signal was aborted.";
    const abort = () => this.#end(new PushasideError("closed", sentence, { cause: signal?.reason }));
    signal?.addEventListener("abort", abort, { once: true });
    globalThis.addEventListener?.("online", this.#hurry);
    this.#begin(0);
    await this.#opened.promise;
  }

  /** Close the connection; what is unanswered fails with the code `closed`. Closing twice does no harm. */
  close() {
    this.#end(new PushasideError("closed", "The client was closed."));
  }

  /**
   * Ask for the result of a compute. `deadline` is how many seconds it may take altogether, `maxAge` how many seconds
   * old the result may be (0: computed anew); aborting `signal` frees everything.
   * @param {string} compute
   * @param {object} params
   * @param {RequestOptions} options
   * @returns {Promise<Result>}
   */
  async request(compute, params = {}, { deadline = 30, maxAge, signal } = {}) {
    const json = writeJson(params, "params");
    const accept = this.#accept.length ? this.#accept : undefined;
    const write = (id, left) => {
      const times = { deadline_ms: Math.max(1, Math.round(left * 1000)), max_age: maxAge };
      return writeMessage({ action: "request", id, compute, ...times, accept }, "params", json);
    };
    return this.#question("result", write, deadline, signal);
  }

  /**
   * Publish a message to a channel, once however often it has to be asked; resolves to its position there.
   * @param {string} topic
   * @param {unknown} data
   * @param {import("./pushaside.d.ts").AskOptions} options
   * @returns {Promise<string>}
   */
  async publish(topic, data, { deadline = 30, signal } = {}) {
    const json = writeJson(data, "data");
    const write = (id) => writeMessage({ action: "publish", id, topic, message_id: id }, "data", json);
    return this.#question("published", write, deadline, signal);
  }

  /**
   * Subscribe to a channel by its topic, or to the result of a compute with params: a live result.
   * @param {string | import("./pushaside.d.ts").Subject} what
   * @param {import("./pushaside.d.ts").SubscribeOptions} options
   */
  subscribe(what, options = {}) {
    /** @type {any} */
    const subject = { ...(typeof what === "string" ? { topic: what } : what), ...options };
    const { topic, compute, since, signal } = subject;
    if ((topic === undefined) === (compute === undefined))
      throw new TypeError("Either a topic or a compute is subscribed to.");
    const position = since == null ? null : parsePosition(since);
    if (since != null && !position) throw new TypeError(`${since} is no position such as the service gives.`);
    signal?.throwIfAborted();
    this.#checkOpen();
    const params = compute === undefined ? undefined : writeJson(subject.params ?? {}, "params");
    const feed = new Feed({ topic, compute, params, since: position, limit: this.#options.maxQueuedUpdates });
    this.#checkSize(this.#writeSubscribe(feed, this.#newId()));
    const abort = () => subscription.close();
    const subscription = new Subscription(feed, () => this.#take(feed), () => {
      signal?.removeEventListener("abort", abort);
      this.#giveBack(feed);
    });
    signal?.addEventListener("abort", abort, { once: true });
    this.#feeds.add(feed);
    this.#name(feed, feed.topic);
    this.#askFeed(feed);
    return subscription;
  }

  // Time, ids and sending

  get #now() {
    return this.#clock.now() / 1000;
  }

  #after(seconds, run) {
    return this.#clock.setTimeout(run, Math.min(seconds * 1000, LONGEST_TIMER_MS));
  }

  #stop(timer) {
    if (timer !== null && timer !== undefined) this.#clock.clearTimeout(timer);
  }

  #backoff(attempt) {
    const { random, backoffBaseSeconds, backoffCapSeconds } = this.#options;
    return fullJitter(attempt, random(), backoffBaseSeconds, backoffCapSeconds);
  }

  #growing(attempt, base, cap) {
    return growing(attempt, this.#options.random(), base, cap);
  }

  #newId() {
    return `${this.#prefix}-${(++this.#count).toString(16)}`;
  }

  #send(link, text) {
    link.sentAt = this.#now;
    link.socket.send(text);
  }

  #checkOpen() {
    if (this.#ended) throw this.#ended;
  }

  #checkSize(text) {
    const most = this.#frameBytes - FRAME_HEADER_BYTES;
    if (text.length * 3 > most && new TextEncoder().encode(text).length > most)
      throw new PushasideError("too_large", `The message has more than ${most} bytes, and a browser's is one frame.`);
  }

  #log(level, ...what) {
    this.#options.logger?.[level]?.("pushaside:", ...what);
  }

  #setState(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new Event("statechange"));
  }

  // Exchanges: what is asked and not settled

  async #question(kind, write, deadline, signal) {
    if (!(deadline > 0 && deadline < Infinity)) throw new RangeError("deadline is a number of seconds, more than 0.");
    signal?.throwIfAborted();
    const { promise, resolve, reject } = withResolvers();
    const exchange = this.#add(kind, write, deadline, resolve, reject);
    const abort = () => {
      this.#remove(exchange);
      reject(signal.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  }

  /** Ask something; `kind` is the type of its answer, `write` gives the message from an id and the seconds left. */
  #add(kind, write, seconds, resolve, reject) {
    this.#checkOpen();
    const id = this.#newId();
    this.#checkSize(write(id, seconds));
    const deadlineAt = this.#now + seconds;
    const counts = { silences: 0, retries: 0, reads: 0, trouble: "" };
    const where = { link: null, timer: null, reading: null, deadlineTimer: null, isAccepted: false };
    const exchange = { id, kind, write, seconds, deadlineAt, resolve, reject, ...counts, ...where };
    this.#exchanges.set(id, exchange);
    if (seconds < Infinity) exchange.deadlineTimer = this.#after(seconds, () => this.#timeOut(exchange));
    this.#ask(exchange);
    return exchange;
  }

  /** Ask for the first time or again; without a connection it waits for the next. */
  #ask(exchange) {
    this.#takeOff(exchange);
    const link = this.#current;
    if (!link) return;
    exchange.link = link;
    exchange.askedAt = this.#now;
    exchange.isAccepted = false;
    link.exchanges.add(exchange);
    this.#waitForAnswer(exchange);
    this.#send(link, exchange.write(exchange.id, exchange.deadlineAt - this.#now));
  }

  #waitForAnswer(exchange) {
    const { reaskSeconds, reaskCapSeconds } = this.#options;
    this.#stop(exchange.timer);
    exchange.timer = this.#after(this.#growing(exchange.silences, reaskSeconds, reaskCapSeconds), () => {
      exchange.silences += 1;
      const { link } = exchange;
      if (link.pingedAt === null && (link.heardAt === null || link.heardAt < exchange.askedAt)) this.#ping(link);
      this.#ask(exchange);
    });
  }

  #askLater(exchange, seconds, trouble) {
    this.#takeOff(exchange);
    exchange.retries += 1;
    exchange.trouble = trouble;
    exchange.timer = this.#after(seconds, () => this.#ask(exchange));
  }

  #takeOff(exchange) {
    this.#stop(exchange.timer);
    exchange.link?.exchanges.delete(exchange);
    exchange.reading?.abort();
    exchange.link = exchange.timer = exchange.reading = null;
  }

  #remove(exchange) {
    this.#exchanges.delete(exchange.id);
    this.#takeOff(exchange);
    this.#stop(exchange.deadlineTimer);
    this.#dropPieces((each) => each.id === exchange.id);
  }

  #resolve(exchange, answer) {
    this.#remove(exchange);
    exchange.resolve(answer);
  }

  #reject(exchange, error) {
    this.#remove(exchange);
    exchange.reject(error);
  }

  #timeOut(exchange) {
    const sentences = [`There was no answer within ${exchange.seconds} s.`];
    if (exchange.trouble) sentences.push(`Before: ${exchange.trouble}`);
    if (!this.#links.size) sentences.push("There is no connection to the service.");
    this.#reject(exchange, new PushasideError("timeout", sentences.join(" ")));
  }

  /** Read the data of an answer that is encoded or behind a link; nothing is asked meanwhile. */
  #readAnswer(exchange, message) {
    this.#takeOff(exchange);
    exchange.reads += 1;
    const reading = (exchange.reading = new AbortController());
    this.#read(message, reading).then(
      (data) => exchange.reading === reading && this.#resolve(exchange, toResult(message, data)),
      (error) => exchange.reading === reading && this.#readFailed(exchange, message, error),
    );
  }

  #readFailed(exchange, message, error) {
    const { maxRetries, fetchAttempts } = this.#options;
    const wait = this.#backoff(exchange.reads - 1);
    const isExpired = EXPIRED.has(error.status);
    const isWorthIt = error.retryable && (isExpired ? exchange.retries < maxRetries : exchange.reads < fetchAttempts);
    if (!isWorthIt || this.#now + wait >= exchange.deadlineAt) this.#reject(exchange, error);
    else if (isExpired) this.#askLater(exchange, wait, error.message);
    else exchange.timer = this.#after(wait, () => this.#readAnswer(exchange, message));
  }

  async #read(message, reading) {
    const { maxResultBytes, fetchTimeoutSeconds, fetch } = this.#options;
    if ("data" in message) return decodeData(message.data, message.encoding, maxResultBytes);
    const timer = this.#after(fetchTimeoutSeconds, () => reading.abort());
    try {
      return await fetchData(message.url, message.etag, maxResultBytes, reading.signal, fetch);
    } finally {
      this.#stop(timer);
    }
  }

  // Connections

  #begin(seconds, isHurried = false) {
    if (this.#ended || (this.#connecting && !isHurried)) return;
    this.#stop(this.#connecting?.timer);
    const attempt = (this.#connecting = { socket: null, timer: null });
    attempt.timer = this.#after(seconds, () => {
      attempt.timer = null;
      this.#connect(attempt).catch((error) => this.#connectFailed(error));
    });
  }

  async #connect(attempt) {
    const { WebSocket, token, getToken, openTimeoutSeconds } = this.#options;
    try {
      const url = typeof this.#url === "function" ? await this.#url() : this.#url;
      const bearer = getToken ? await getToken() : token;
      if (this.#ended) return;
      attempt.socket = makeSocket(WebSocket, url, bearer);
    } catch (cause) {
      if (cause instanceof PushasideError) throw cause;
      const retryable = cause?.name !== "SyntaxError";
      throw new PushasideError("unreachable", `A connection cannot be begun: ${cause}`, { cause, retryable });
    }
    const { socket } = attempt;
    await new Promise((resolve, reject) => {
      const fail = (why) => {
        this.#stop(timer);
        socket.onopen = socket.onclose = null;
        reject(new PushasideError("unreachable", why));
      };
      const timer = this.#after(openTimeoutSeconds, () => {
        fail("The service did not answer in time.");
        socket.close();
      });
      socket.onerror = () => this.#log("debug", "the socket reports an error");
      socket.onclose = () => fail("No connection came about; browsers do not tell why.");
      socket.onopen = () => {
        this.#stop(timer);
        this.#linkOpened(socket);
        resolve(undefined);
      };
    });
  }

  #connectFailed(error) {
    const { connectAttempts, reconnectAttempts, backoffCapSeconds } = this.#options;
    this.#connecting = null;
    if (this.#ended) return;
    this.#log("info", "could not connect:", error.message);
    this.#failures += 1;
    const most = this.#state === "connecting" ? connectAttempts : reconnectAttempts;
    if (error.retryable && this.#failures < most)
      this.#begin(Math.max(this.#backoff(this.#failures - 1), (error.retryAfterMs ?? 0) / 1000));
    else if (!this.#current) this.#end(error);
    else {
      // Only the replacement of a connection that still works has failed.
      this.#current.replaceAt = this.#now + backoffCapSeconds;
      this.#attend(this.#current);
    }
  }

  /** Greet on a new connection and ask on it what waits for one; the connection before it only finishes. */
  #linkOpened(socket) {
    this.#connecting = null;
    if (this.#ended) return socket.close();
    const link = new Link(socket, this.#newId(), this.#now);
    link.replaceAt = link.openedAt + aLittleEarly(this.#options.maxConnectionSeconds, this.#options.random());
    socket.onmessage = ({ data }) => this.#received(link, data);
    socket.onclose = () => this.#lose(link);
    this.#links.add(link);
    const previous = this.#current;
    this.#current = link;
    this.#greet(link);
    this.#forgetLeaving();
    for (const feed of this.#feeds) {
      this.#askFeed(feed);
      if (!feed.exchange) this.#move(feed, null);
    }
    for (const exchange of this.#exchanges.values())
      if (!exchange.link && exchange.timer === null && !exchange.reading) this.#ask(exchange);
    this.#attend(link);
    if (previous) this.#retire(previous);
    this.#setState("open");
    this.#opened.resolve(undefined);
  }

  /** Keep a connection only for what is still to come on it. */
  #retire(link) {
    link.drainUntil = this.#now + this.#options.drainSeconds;
    link.replaceAt = link.helloAt = Infinity;
    this.#attend(link);
  }

  /** Ask on another connection what was asked on one that is gone, or is given up. */
  #lose(link) {
    if (!this.#links.delete(link)) return;
    link.socket.onmessage = link.socket.onclose = null;
    link.socket.close();
    this.#stop(link.timer);
    this.#dropPieces((each) => each.link === link);
    for (const feed of [...link.feeds]) this.#move(feed, null);
    const wasCurrent = link === this.#current;
    if (wasCurrent) {
      this.#current = null;
      this.#forgetLeaving();
    }
    for (const exchange of [...link.exchanges]) this.#ask(exchange);
    if (!wasCurrent || this.#ended) return;
    this.#setState("reconnecting");
    if (this.#connecting) return;
    // One that opened and brought nothing might, as far as backing off goes, as well not have opened.
    if (link.heardAt !== null) this.#begin(this.#backoff(0));
    else this.#connectFailed(new PushasideError("unreachable", "The connection brought nothing before it was closed."));
  }

  #end(error) {
    if (this.#ended) return;
    this.#ended = error;
    this.#opened.reject(error);
    this.#stop(this.#connecting?.timer);
    this.#connecting?.socket?.close();
    this.#forgetLeaving();
    for (const feed of this.#feeds) {
      this.#detach(feed);
      feed.end(error);
    }
    for (const exchange of [...this.#exchanges.values()]) this.#reject(exchange, error);
    for (const link of [...this.#links]) this.#lose(link);
    globalThis.removeEventListener?.("online", this.#hurry);
    this.#setState("closed");
  }

  /** Do what is due for a connection, and come back when something is next. */
  #attend(link) {
    this.#stop(link.timer);
    if (!this.#links.has(link)) return;
    const { keepaliveSeconds, pongTimeoutSeconds, maxRetries } = this.#options;
    const now = this.#now;
    if (link.isOver || now >= link.drainUntil || (link.pingedAt !== null && now >= link.pingedAt + pongTimeoutSeconds))
      return this.#lose(link);
    if (now >= link.helloAt) {
      link.helloAt = Infinity;
      if (link.hellos <= maxRetries) this.#greet(link);
    }
    const idleAt = () => Math.max(link.openedAt, link.sentAt, link.heardAt ?? 0) + keepaliveSeconds;
    if (link.pingedAt === null && now >= idleAt()) {
      this.#send(link, PING);
      link.pingedAt = now;
    }
    if (now >= link.replaceAt) {
      link.replaceAt = Infinity;
      this.#begin(0);
    }
    const silentAt = link.pingedAt === null ? idleAt() : link.pingedAt + pongTimeoutSeconds;
    const nextAt = Math.min(silentAt, link.replaceAt, link.drainUntil, link.helloAt);
    link.timer = this.#after(nextAt - now, () => this.#attend(link));
  }

  #ping(link) {
    this.#send(link, PING);
    link.pingedAt = this.#now;
    this.#attend(link);
  }

  #greet(link) {
    const { reaskSeconds, reaskCapSeconds } = this.#options;
    link.helloAt = this.#now + this.#growing(link.hellos++, reaskSeconds, reaskCapSeconds);
    this.#send(link, JSON.stringify({ action: "hello", id: link.id, session: this.#session, accept: this.#accept }));
  }

  // What comes

  #received(link, text) {
    link.heardAt = this.#now;
    link.wasPinged = link.pingedAt !== null;
    link.pingedAt = null;
    this.#failures = 0;
    const message = parseObject(text);
    if (message) this.#handle(link, message);
    else this.#log("debug", "ignored what is not a JSON object");
    if (this.#links.size > 1) for (const each of [...this.#links]) if (each.isOver) this.#lose(each);
  }

  #handle(link, message) {
    const exchange = this.#exchanges.get(message.id);
    const isAnswer = exchange && !exchange.reading && exchange.kind === message.type;
    switch (message.type) {
      case "result":
        if (isAnswer && isPlain(message)) this.#resolve(exchange, toResult(message, message.data));
        else if (isAnswer) this.#readAnswer(exchange, message);
        break;
      case "accepted":
        if (exchange) exchange.isAccepted = true;
        break;
      case "chunk":
        if (exchange && !exchange.reading) this.#takePiece(link, exchange, message);
        break;
      case "error":
        this.#takeError(link, exchange, message);
        break;
      case "published":
        if (isAnswer && parsePosition(message.position)) this.#resolve(exchange, message.position);
        break;
      case "unsubscribed":
        if (isAnswer) this.#resolve(exchange);
        break;
      case "subscribed":
        // The subscription is to hold where it was asked for last.
        if (isAnswer && exchange.link === link && readPushed(message, false)) this.#resolve(exchange, message);
        break;
      case "update":
      case "resync":
        this.#takePushed(readPushed(message, message.type === "resync"));
        break;
      case "welcome":
        this.#takeWelcome(link, message);
        break;
      case "bye":
        if (link === this.#current) this.#takeBye(link, message);
        break;
      case undefined:
        if (typeof message.message === "string") this.#takeFault(link, message.message);
        break;
      default: // a pong, which only shows that the connection lives, or what a newer service says
    }
  }

  #takePiece(link, exchange, { id, of, index, count, data }) {
    const { maxUnfinishedBytes, maxUnfinishedResults } = this.#options;
    const areWhole = Number.isInteger(index) && Number.isInteger(count);
    if (!areWhole || index < 0 || index >= count || count > MOST_PIECES || typeof data !== "string")
      return this.#reject(exchange, new PushasideError("unreadable", "A piece of the result came that is none."));
    exchange.isAccepted = true;
    if (exchange.link) this.#waitForAnswer(exchange);
    const name = `${id} ${link.id} ${of} ${count}`;
    const unfinished = this.#pieces.get(name) ?? { id, link, texts: [], missing: count, size: 0 };
    this.#pieces.delete(name);
    this.#pieces.set(name, unfinished); // the one with the newest piece is last
    if (unfinished.texts[index] === undefined) {
      unfinished.texts[index] = data;
      unfinished.missing -= 1;
      unfinished.size += data.length + 128; // so that empty pieces are not free
      this.#unfinishedBytes += data.length + 128;
    }
    if (unfinished.size > maxUnfinishedBytes) return this.#reject(exchange, tooLarge(maxUnfinishedBytes));
    if (!unfinished.missing) {
      this.#dropPieces((each) => each === unfinished);
      return this.#takeWhole(link, exchange, parseObject(unfinished.texts.join("")));
    }
    const oldest = this.#pieces.values();
    while (this.#unfinishedBytes > maxUnfinishedBytes || this.#pieces.size > maxUnfinishedResults) {
      const { value } = oldest.next();
      this.#dropPieces((each) => each === value);
    }
  }

  #takeWhole(link, exchange, message) {
    const isAnswer = message?.id === exchange.id && ["result", "error", "subscribed"].includes(message.type);
    if (isAnswer) this.#handle(link, message);
    else this.#reject(exchange, new PushasideError("unreadable", "The result came in pieces that make no whole."));
  }

  #dropPieces(isToGo) {
    for (const [name, unfinished] of this.#pieces) {
      if (!isToGo(unfinished)) continue;
      this.#pieces.delete(name);
      this.#unfinishedBytes -= unfinished.size;
    }
  }

  #takeError(link, exchange, message) {
    const error = errorFromWire(message.error);
    if (message.id === link.id) link.helloAt = Infinity;
    if (!exchange) return this.#log("warn", "the service reports an error of nothing that is asked:", error.message);
    if (exchange.reading) return;
    if (!error.retryable || error.retryAfterMs === undefined) return this.#reject(exchange, error);
    if (!exchange.link) return; // it waits to be asked again
    const wait = (error.retryAfterMs / 1000) * (1 + this.#options.random() / 4);
    const isInTime = this.#now + wait < exchange.deadlineAt;
    if (!isInTime || exchange.retries >= this.#options.maxRetries) this.#reject(exchange, error);
    else this.#askLater(exchange, wait, error.message);
  }

  #takeWelcome(link, { id, session, limits, reconnect_after_seconds: seconds }) {
    this.#session = textOr(session, this.#session);
    if (limits?.frame_bytes > 2 * FRAME_HEADER_BYTES) this.#frameBytes = limits.frame_bytes;
    if (id !== link.id) return;
    link.helloAt = Infinity;
    if (link !== this.#current || !(seconds > 0)) return;
    // However short the service makes it, connections do not follow each other faster than attempts.
    const lifetime = Math.max(aLittleEarly(seconds, this.#options.random()), this.#options.backoffBaseSeconds);
    link.replaceAt = link.openedAt + lifetime;
    this.#attend(link);
  }

  #takeBye(link, { code, retry, after_ms: ms }) {
    if (retry === false) {
      const sentence = `The service closed the connection for good: ${code}.`;
      return this.#end(new PushasideError(textOr(code, "closed"), sentence, { retryable: false }));
    }
    link.replaceAt = Infinity;
    if (isNumber(ms) && ms > 0) return this.#begin((this.#options.random() * ms) / 2000);
    this.#current = null;
    this.#forgetLeaving();
    for (const feed of [...link.feeds]) this.#move(feed, null);
    this.#setState("reconnecting");
    this.#begin(this.#backoff(0));
    this.#retire(link);
  }

  /** API Gateway's own error frame names no request: all that are not accepted may be meant. */
  #takeFault(link, sentence) {
    this.#log("warn", "API Gateway reports:", sentence);
    const suspects = [...link.exchanges].filter((each) => !each.isAccepted);
    if (sentence === "Forbidden") {
      // No route takes a message, and asking again does not help. An unanswered hello or ping may be it.
      const error = new PushasideError("forbidden", "There is no route for the message.");
      if (link.helloAt < Infinity) link.helloAt = Infinity;
      else if (!link.wasPinged) for (const each of suspects) this.#reject(each, error);
      return;
    }
    if (link.helloAt < Infinity) link.helloAt = Math.min(link.helloAt, this.#now + this.#backoff(link.hellos));
    for (const each of suspects) {
      const error = new PushasideError("internal", `API Gateway answered: ${sentence}.`);
      if (each.retries >= this.#options.maxRetries) this.#reject(each, error);
      else this.#askLater(each, this.#backoff(each.retries), error.message);
    }
    this.#attend(link);
  }

  // Subscriptions

  #writeSubscribe(feed, id) {
    const accept = this.#accept.length ? this.#accept : undefined;
    const fields = { action: "subscribe", id, ...feed.subject, since: feed.position?.text, accept };
    return feed.isLive ? writeMessage(fields, "params", feed.params) : JSON.stringify(fields);
  }

  #take(feed) {
    const update = feed.take();
    if (feed.makeRoom()) this.#askFeed(feed);
    return update;
  }

  /** Make a subscription, or make it anew; what it has to wait for sees to it in its time. */
  #askFeed(feed) {
    this.#dropExchange(feed);
    this.#unplan(feed);
    if (!this.#current || feed.isFull || feed.error || this.#leaving.has(feed.key)) return;
    feed.begin();
    this.#stopReading(feed);
    feed.askedAt = this.#now;
    const subscribed = (message) => this.#takeSubscribed(feed, message);
    const refused = (error) => this.#takeRefusal(feed, error);
    feed.exchange = this.#add("subscribed", (id) => this.#writeSubscribe(feed, id), Infinity, subscribed, refused);
  }

  #takeSubscribed(feed, message) {
    feed.exchange = null;
    feed.failures = 0;
    this.#move(feed, this.#current);
    this.#name(feed, message.topic);
    const stray = this.#strays.get(message.topic);
    if (stray) feed.push(stray);
    if (!this.#hasUnnamed) this.#strays.clear();
    feed.subscribed(readPushed(message, false), message.recovered !== false);
    this.#follow(feed);
  }

  #takeRefusal(feed, error) {
    feed.exchange = null;
    const { backoffBaseSeconds, backoffCapSeconds } = this.#options;
    if (error.retryable && feed.isSubscribed) {
      const patience = this.#growing(feed.failures++, backoffBaseSeconds, backoffCapSeconds);
      this.#plan(feed, "ask", Math.max(patience, (error.retryAfterMs ?? 0) / 1000));
    } else {
      feed.end(error);
      this.#detach(feed);
    }
  }

  #takePushed(pushed) {
    if (!pushed) return;
    const feeds = this.#byTopic.get(pushed.topic);
    for (const feed of feeds ? [...feeds] : []) {
      feed.push(pushed);
      this.#follow(feed);
    }
    if (feeds || !this.#hasUnnamed) return;
    // It may be of a live result whose `subscribed`, which tells the topic, it has overtaken.
    const { position } = this.#strays.get(pushed.topic) ?? {};
    if (position?.epoch === pushed.position.epoch && position.offset > pushed.position.offset) return;
    this.#strays.set(pushed.topic, pushed);
    if (this.#strays.size > MOST_STRAYS) this.#strays.delete(this.#strays.keys().next().value);
  }

  get #hasUnnamed() {
    return [...this.#feeds].some((feed) => !feed.topic && !feed.error);
  }

  /** Do what has become necessary by what a feed was given. */
  #follow(feed) {
    if (feed.unread !== feed.readingOf) {
      this.#stopReading(feed);
      if (feed.unread) this.#readFor(feed);
    }
    if (!feed.isMissing) {
      if (feed.plan === "gap") this.#unplan(feed);
    } else if (!feed.exchange && feed.link === this.#current) {
      // Where the epoch is another, waiting brings nothing; but nobody asks more often than that.
      const { gapSeconds } = this.#options;
      const soonest = Math.max(0, feed.askedAt + gapSeconds - this.#now);
      if (feed.isElsewhere && feed.plan !== "ask") this.#plan(feed, "gap", soonest);
      else if (!feed.plan) this.#plan(feed, "gap", gapSeconds);
    }
  }

  #readFor(feed) {
    feed.readingOf = feed.unread;
    feed.reads += 1;
    const reading = (feed.reading = new AbortController());
    this.#read(feed.unread.value, reading).then(
      (data) => {
        if (feed.reading !== reading) return;
        feed.read(data);
        this.#follow(feed);
      },
      (error) => feed.reading === reading && this.#readForFailed(feed, error),
    );
  }

  #readForFailed(feed, error) {
    const { fetchAttempts, backoffBaseSeconds, backoffCapSeconds } = this.#options;
    const wait = (attempt) => this.#growing(attempt, backoffBaseSeconds, backoffCapSeconds);
    if (!error.retryable) {
      this.#leave(feed);
      this.#detach(feed);
      feed.end(error);
    } else if (!EXPIRED.has(error.status) && feed.reads < fetchAttempts) this.#plan(feed, "read", wait(feed.reads - 1));
    else if (!feed.exchange) this.#plan(feed, "ask", wait(feed.failures++));
  }

  #stopReading(feed) {
    feed.reading?.abort();
    feed.reading = feed.readingOf = null;
    feed.reads = 0;
  }

  #giveBack(feed) {
    this.#feeds.delete(feed);
    if (!feed.error) this.#leave(feed);
    this.#detach(feed);
  }

  /** Expect nothing more for a subscription. */
  #detach(feed) {
    this.#dropExchange(feed);
    this.#unplan(feed);
    this.#stopReading(feed);
    this.#move(feed, null);
    this.#name(feed, null);
  }

  /**
   * Unsubscribe, unless somebody else has the same. The service may work on two messages at once, in any order: so what
   * is being asked is waited for first, and who wants the same meanwhile waits for all of it.
   */
  #leave(feed) {
    const { key, topic, exchange } = feed;
    const isSame = (each) => each.key === key || (topic !== null && each.topic === topic);
    const isShared = [...this.#feeds].some((each) => each !== feed && !each.error && isSame(each));
    if (!this.#current || isShared || this.#leaving.has(key)) return;
    const left = () => this.#left(key);
    const unsubscribe = (from) => {
      const write = (id) => JSON.stringify({ action: "unsubscribe", id, topic: from });
      this.#leaving.set(key, this.#add("unsubscribed", write, UNSUBSCRIBE_SECONDS, left, left));
    };
    if (exchange) {
      exchange.resolve = (message) => unsubscribe(message.topic);
      exchange.reject = left;
      this.#leaving.set(key, exchange);
      feed.exchange = null;
    } else if (feed.link === this.#current) unsubscribe(topic);
  }

  #left(key) {
    this.#leaving.delete(key);
    if (this.#ended) return;
    for (const feed of this.#feeds)
      if (feed.key === key && !feed.exchange && !feed.link && !feed.plan) this.#askFeed(feed);
  }

  /** The connection that something was being unsubscribed on is not used any more. */
  #forgetLeaving() {
    for (const exchange of this.#leaving.values()) this.#remove(exchange);
    this.#leaving.clear();
  }

  #name(feed, topic) {
    const named = this.#byTopic.get(feed.topic);
    named?.delete(feed);
    if (named && !named.size) this.#byTopic.delete(feed.topic);
    if (topic === null) return;
    if (!this.#byTopic.has(topic)) this.#byTopic.set(topic, new Set());
    this.#byTopic.get(topic).add(feed);
  }

  #move(feed, link) {
    feed.link?.feeds.delete(feed);
    feed.link = link;
    link?.feeds.add(feed);
  }

  #dropExchange(feed) {
    if (feed.exchange) this.#remove(feed.exchange);
    feed.exchange = null;
  }

  #plan(feed, plan, seconds) {
    this.#stop(feed.timer);
    feed.plan = plan;
    feed.timer = this.#after(seconds, () => {
      feed.plan = feed.timer = null;
      if (plan === "read") this.#readFor(feed);
      else this.#askFeed(feed);
    });
  }

  #unplan(feed) {
    this.#stop(feed.timer);
    feed.plan = feed.timer = null;
  }
}

function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function toResult({ id, key, etag, cache, age_ms: ageMs }, data) {
  const known = { id, key: textOr(key, ""), etag: textOr(etag, ""), cache: textOr(cache, "miss") };
  return Object.freeze({ ...known, ageMs: isNumber(ageMs) ? ageMs : 0, data });
}

/**
 * Connect to the service at a URL, and resolve to a client once that is done.
 *
 * `token`, or what `getToken` gives before every attempt, is shown to the service. `url` may be a function that gives
 * the URL of each attempt, with a fresh ticket for example. Aborting `signal` closes the client.
 *
 * @param {string | (() => string | Promise<string>)} url
 * @param {Options} [options]
 * @returns {Promise<Client>}
 */
export async function connect(url, options = {}) {
  const client = new Client(url, options);
  await client.open();
  return client;
}
