/**
 * The Pushaside client for browsers and Node: request results over one WebSocket, and get them pushed.
 *
 *     const client = await connect("ws://127.0.0.1:8080/v1");
 *     const { cache, data } = await client.request("documents", { collection: "airports", ids: ["TX"] });
 *
 * The client is one file, with nothing to build or install. Its names and rules are those of the Python client. Times
 * are seconds, except where a name ends in `Ms`.
 *
 * The sections of this file, each with its classes:
 *
 * - Settings, errors and data: `PushasideError`, waits, encodings, links, patches.
 * - Topics: a `Feed` puts the messages of one topic in order; a `Subscription` is the caller's side of it.
 * - Session, what its parts share: `Environment`, `Link`, `Links`.
 * - Session, opening connections: `Opening` connects and backs off; `Upkeep` greets, pings and replaces.
 * - Session, exchanges: `Exchanges` holds unsettled questions; `Answers`, `LargeAnswers`, `Pieces`, `Reader` and
 *   `GatewayFaults` settle them or repeat them.
 * - Session, subscriptions: `Subscriptions`, `FeedsByTopic`, `Strays`, `Farewells`.
 * - Session, its life: `Session` joins these parts and moves their work to the current link.
 * - The client: `Client`, `connect` and `connections`.
 * - HTTP: `HttpClient`, which needs no session.
 */

/** @typedef {import("./pushaside.d.ts").Options} Options */
/** @typedef {import("./pushaside.d.ts").Result} Result */
/** @typedef {import("./pushaside.d.ts").RequestOptions} RequestOptions */
/** @typedef {import("./pushaside.d.ts").ErrorDetails} ErrorDetails */
/** @typedef {import("./pushaside.d.ts").Progress} Progress */
/** @typedef {import("./pushaside.d.ts").Accepted} Accepted */
/** @typedef {import("./pushaside.d.ts").RequestState} RequestState */
/** @typedef {import("./pushaside.d.ts").Resource} Resource */

// ---------------------------------------------------------------------------------------------------------------------
// Settings, errors and data

const DEFAULTS = Object.freeze({
  openTimeoutSeconds: 10,
  connectAttempts: 5,
  reconnectAttempts: Infinity,
  backoffBaseSeconds: 0.5,
  backoffCapSeconds: 30,
  reaskSeconds: 10,
  reaskCapSeconds: 60,
  maxRetries: 5,
  keepaliveSeconds: 540, // API Gateway closes a connection after ten idle minutes
  subscribedKeepaliveSeconds: 120, // a subscriber that sends nothing detects a silent loss only by this ping
  pongTimeoutSeconds: 10,
  maxConnectionSeconds: 6600, // API Gateway closes every connection after two hours
  drainSeconds: 60,
  maxResultBytes: 64 * 1024 * 1024,
  maxUnfinishedBytes: 64 * 1024 * 1024,
  maxUnfinishedResults: 1024,
  fetchTimeoutSeconds: 30,
  fetchAttempts: 3,
  maxFetches: 8,
  gapSeconds: 1,
  maxQueuedUpdates: 1000,
});

/** Browsers send a message as one frame. API Gateway accepts 32 KiB, of which the header takes 14 (RFC 6455, 5.2). */
const FRAME_BYTES = 32 * 1024;
const FRAME_HEADER_BYTES = 14;
const MOST_PIECES = 8192;
const MOST_STRAYS = 1000;
const UNSUBSCRIBE_SECONDS = 30;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const PING = '{"action":"ping"}';
const RETRYABLE = new Set(["rate_limited", "source_throttled", "timeout", "internal", "unreachable"]);
/** The statuses of S3 and CloudFront for a link that has expired, or whose object is gone. */
const EXPIRED = new Set([400, 401, 403, 404, 410]);

const CLOCK = {
  now: () => performance.now(),
  /** @type {(run: () => void, ms: number) => any} */
  setTimeout: (run, ms) => setTimeout(run, ms),
  /** @type {(timer: any) => void} */
  clearTimeout: (timer) => clearTimeout(timer),
};

/**
 * The one class of errors. `code` is the error's name on the wire, `message` a sentence for people. `retryable` says
 * whether a retry can succeed, and `retryAfterMs` when, if the service gave a time. The codes `unreachable`, `closed`
 * and `unreadable` come from the client only; `timeout` and `too_large` may come from either side.
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

/** Return the given options, with the defaults of all others. @param {any} options @returns {any} */
function withDefaults(options) {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { random: Math.random, fetch: globalThis.fetch?.bind(globalThis), clock: CLOCK, ...DEFAULTS, ...given };
}

function errorFromWire(fields) {
  const { code: said, message, retryable, retry_after_ms: ms } = isObject(fields) ? fields : {};
  const code = typeof said === "string" && said ? said : "internal";
  const sentence = typeof message === "string" && message ? message : `The service answered with the error ${code}.`;
  const options = { retryAfterMs: typeof ms === "number" ? Math.max(0, ms) : undefined };
  return new PushasideError(code, sentence, typeof retryable === "boolean" ? { ...options, retryable } : options);
}

// Waits

/** Return a random wait up to a bound that doubles, so that clients that lost a server spread their reconnects. */
const fullJitter = (attempt, random, base, cap) => random * Math.min(cap, base * 2 ** attempt);
/** Return a wait that doubles up to a cap, plus up to a quarter: shorter waits would only add load. */
const growing = (attempt, random, base, cap) => Math.min(cap, base * 2 ** attempt) * (1 + random / 4);
const aLittleEarly = (seconds, random) => seconds * (1 - random / 10);

// Reading and writing data

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isNumber = (value) => typeof value === "number" && value >= 0;
const textOr = (value, other) => (typeof value === "string" ? value : other);
/** Whether a message carries its data itself, without an encoding or a link. */
const isPlain = (message) => "data" in message && !("encoding" in message);
const tooLarge = (limit) => new PushasideError("too_large", `The result is larger than ${limit} bytes.`);

/** Write a value as JSON at once, so that the caller may change its objects afterwards. */
function writeJson(value, what) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new PushasideError("invalid_params", `\`${what}\` cannot be written as JSON: ${cause}`, { cause });
  }
  if (text === undefined) throw new PushasideError("invalid_params", `\`${what}\` cannot be written as JSON.`);
  return text;
}

function checkDeadline(seconds) {
  if (!(seconds > 0 && seconds < Infinity)) throw new RangeError("deadline must be a number of seconds, more than 0.");
}

/** Write a message with the fields and one more member, `name`, whose value is JSON text already. */
const writeMessage = (fields, name, json) => `${JSON.stringify(fields).slice(0, -1)},"${name}":${json}}`;

async function readBytes(stream, limit, tell = (/** @type {number} */ _bytes) => {}) {
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
    tell(size);
  }
}

async function decodeData(text, encoding, limit) {
  if (encoding !== "gzip+base64" || typeof text !== "string")
    throw new PushasideError("unreadable", `The result has an encoding that this client did not accept: ${encoding}.`);
  try {
    const compressed = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(new TextDecoder().decode(await readBytes(stream, limit)));
  } catch (cause) {
    if (cause instanceof PushasideError) throw cause;
    throw new PushasideError("unreadable", `The result cannot be decoded: ${cause}`, { cause });
  }
}

/** Return the size of a body, or null: the header of a compressed body counts the compressed bytes. */
function lengthOf({ type, headers }) {
  const length = headers?.get("content-length");
  return length && type !== "cors" && !headers.has("content-encoding") ? Number(length) : null;
}

async function fetchData(url, etag, limit, signal, fetch, tell = (/** @type {any[]} */ ..._progress) => {}) {
  if (!/^https?:\/\//i.test(textOr(url, "")))
    throw new PushasideError("unreadable", "The result has neither data nor a link that starts with http.");
  let bytes;
  try {
    const response = await fetch(url, { signal, credentials: "omit" });
    const { ok, status } = response;
    if (!ok) throw new PushasideError("unreachable", `The link to the result answered with status ${status}.`, {
      status, retryable: EXPIRED.has(status) || status === 408 || status === 429 || status >= 500,
    });
    const expected = lengthOf(response);
    tell(0, expected);
    bytes = response.body ? await readBytes(response.body, limit, (size) => tell(size, expected)) : new Uint8Array();
  } catch (cause) {
    if (cause instanceof PushasideError) throw cause;
    throw new PushasideError("unreachable", `The link to the result cannot be fetched: ${cause}`, { cause });
  }
  try {
    await checkEtag(bytes, etag);
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new PushasideError("unreadable", `The fetched data is damaged: ${cause}`, { cause, retryable: true });
  }
}

const canHash = () => Boolean(globalThis.crypto?.subtle);
const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
/** Return the service's hash of bytes: the first 96 bits of their SHA-256, in hex. */
const hashOf = async (bytes) => hexOf(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).slice(0, 12));

/** Check data against its etag if that is a hash, and if the page can hash: only secure contexts can. */
async function checkEtag(bytes, etag) {
  if (!canHash() || !/^[0-9a-f]{24}$/.test(textOr(etag, ""))) return;
  if ((await hashOf(bytes)) !== etag) throw new Error(`its hash is not the etag ${etag}`);
}

// Patches. A patch never changes a value in place: it makes a new one.

/** Write JSON in its canonical form (RFC 8785). */
function writeCanonical(value) {
  if (Array.isArray(value)) return `[${value.map(writeCanonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${writeCanonical(value[name])}`);
  return `{${members.join(",")}}`;
}

/** Apply a patch, and return the new value. Rejects if the patch does not apply, or the digest differs. */
async function applyPatch(value, { body, digest }) {
  let patched = value;
  if (Array.isArray(body)) for (const operation of body) patched = applyOperation(patched, operation);
  else patched = mergePatch(value, body);
  const made = await hashOf(new TextEncoder().encode(writeCanonical(patched)));
  if (made !== digest) throw new Error(`The digest is ${made} and not ${digest}.`);
  return patched;
}

/** Apply a merge patch (RFC 7396, section 2). It assigns no members, so `__proto__` is a name like any other. */
function mergePatch(target, patch) {
  if (!isObject(patch)) return patch;
  const merged = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) merged.delete(name);
    else merged.set(name, mergePatch(merged.get(name), change));
  }
  return Object.fromEntries(merged);
}

/** Apply one operation of a JSON Patch (RFC 6902). The service uses these four only. */
function applyOperation(target, { op, path, from, value }) {
  if (op === "remove") return changeAt(target, parsePointer(path), removeMember);
  if (op === "add") return changeAt(target, parsePointer(path), addMember, value);
  if (op === "replace") return changeAt(target, parsePointer(path), replaceMember, value);
  if (op !== "move") throw new Error(`The operation ${op} is not supported.`);
  const source = parsePointer(from);
  const moved = source.reduce((container, step) => memberOf(container, step), target);
  return changeAt(changeAt(target, source, removeMember), parsePointer(path), addMember, moved);
}

/** Read a JSON Pointer (RFC 6901). */
function parsePointer(text) {
  if (text !== "" && !text.startsWith("/")) throw new Error(`${text} is not a JSON Pointer.`);
  return text.split("/").slice(1).map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function memberOf(container, step) {
  if (Array.isArray(container)) indexOf(step, container.length);
  else if (!isObject(container)) throw new Error(`The value has no members, so it has no ${step}.`);
  if (!Object.hasOwn(container, step)) throw new Error(`The value has no ${step}.`);
  return container[step];
}

function indexOf(step, length) {
  if (!/^(0|[1-9][0-9]*)$/.test(step) || Number(step) > length)
    throw new Error(`${step} is not an index of ${length} items.`);
  return Number(step);
}

/** Return a copy of a container, changed at a path by `change(container, lastStep, value)`. */
function changeAt(container, path, change, value = undefined) {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (!rest.length) return change(container, step, value);
  return replaceMember(container, step, changeAt(memberOf(container, step), rest, change, value));
}

function replaceMember(container, step, value) {
  memberOf(container, step);
  return Array.isArray(container) ? container.with(Number(step), value) : setMember(container, step, value);
}

function addMember(container, step, value) {
  if (Array.isArray(container))
    return container.toSpliced(step === "-" ? container.length : indexOf(step, container.length), 0, value);
  if (!isObject(container)) throw new Error(`The value has no members, so ${step} cannot be added.`);
  return setMember(container, step, value);
}

function removeMember(container, step) {
  memberOf(container, step);
  if (Array.isArray(container)) return container.toSpliced(Number(step), 1);
  return Object.fromEntries(Object.entries(container).filter(([name]) => name !== step));
}

const setMember = (object, name, value) => Object.fromEntries([...Object.entries(object), [name, value]]);

// ---------------------------------------------------------------------------------------------------------------------
// Topics

function parsePosition(text) {
  const found = /^([A-Za-z0-9_-]{1,32}):(0|[1-9][0-9]{0,15})$/.exec(textOr(text, ""));
  return found && { epoch: found[1], offset: Number(found[2]), text: found[0] };
}

/** Read a message of a topic. `value` is null if the message only gives the topic's position. */
function readPushed(message, isResync) {
  const position = parsePosition(message.position);
  if (typeof message.topic !== "string" || !position) return null;
  const hasData = isObject(message.error) || "data" in message || "url" in message;
  const patch = hasData ? null : readPatch(message);
  return { topic: message.topic, position, isResync, value: hasData || patch ? message : null, patch };
}

/** Read the patch from the value `base` to the value `etag`: a JSON Patch is an array, a JSON Merge Patch an object. */
function readPatch({ etag, base, digest, merge_patch: merge, json_patch: operations }) {
  const body = isObject(merge) ? merge : Array.isArray(operations) ? operations : null;
  return body && [etag, base, digest].every((each) => typeof each === "string" && each) ? { body, base, digest } : null;
}

const namesOf = (value) => (Array.isArray(value) ? value.filter((each) => typeof each === "string") : []);

function readPresence({ topic, count, joined, left }) {
  return Object.freeze({ topic, count: isNumber(count) ? count : 0, joined: namesOf(joined), left: namesOf(left) });
}

/**
 * Puts one subscription's messages in order, each once, however late, early or often they arrive.
 *
 * The feed applies a message only if it is the next one, and then moves its position. Earlier arrivals are held. A
 * channel's next message has the next offset, or is a resync. A live result's next message is any newer one, and only
 * the newest value waits for the caller. A patch is held until the value that it patches is there; a patch with a wrong
 * digest counts as missing. If a message stays missing, the client resubscribes since the position.
 */
class Feed {
  value = null;
  failure = null;
  error = null;
  isSubscribed = false;
  isFull = false;
  /** The message to apply once its data is read, or made by its patch. */
  unread = null;
  #limit;
  #etag = null;
  #taken;
  #queue = [];
  #held = new Map();
  #hasDropped = false;
  #askedSince;
  #awaitedEpoch = null;

  constructor({ topic, compute, params, since, limit, patches }) {
    this.isLive = compute !== undefined;
    this.topic = topic ?? null;
    this.patches = Boolean(patches) && this.isLive && canHash();
    this.key = this.isLive ? `${compute} ${params}` : topic;
    this.subject = this.isLive ? { compute } : { topic };
    this.params = params;
    this.position = this.#taken = this.#askedSince = since;
    this.#limit = limit;
    /** Called when the feed has changed, perhaps by an update to take. */
    this.changed = () => {};
    /** Called with each presence message. */
    this.told = (/** @type {any} */ _presence) => {};
    // State that `Subscriptions` keeps here. `plan` says what `timer` is for: "gap", "ask" or "read".
    this.link = this.exchange = this.timer = this.plan = this.reading = this.readingOf = null;
    this.askedAt = -Infinity;
    this.failures = this.reads = 0;
  }

  get taken() {
    return this.#queue.length ? this.#taken : this.position;
  }

  /** The number of updates that the caller has not taken. */
  get waiting() {
    return this.#queue.length;
  }

  get isMissing() {
    if (this.isFull || this.unread || this.error) return false;
    return this.#held.size > 0 || this.#hasDropped || this.#awaitedEpoch !== null;
  }

  /** Whether the topic is in another epoch, where missing messages never arrive by themselves. */
  get isElsewhere() {
    const epoch = this.position?.epoch;
    return epoch !== undefined && [...this.#held.values()].some((each) => each.position.epoch !== epoch);
  }

  /** Prepare for a new subscription since the position: the service sends everything after it again. */
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

  /** Return whether a full feed has room again. */
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

  /** Take the answer to the subscription that `begin` prepared. */
  subscribed(pushed, recovered) {
    const { position } = pushed;
    this.topic = pushed.topic;
    this.isSubscribed = true;
    const since = this.#askedSince;
    // If the position went back, Redis lost messages that this client has, and assigns their offsets again.
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

  /** Drop `unread`, whose patch does not fit, so that the client resubscribes for the value. */
  misfit() {
    this.unread = null;
    this.#hasDropped = true;
    this.#applyHeld();
  }

  /** Skip data that cannot be read if a newer value is held. Return whether there was one. */
  skipUnread() {
    if (!this.unread || !this.isLive || !this.#held.size) return false;
    this.position = this.unread.position;
    this.unread = null;
    this.#applyHeld();
    return true;
  }

  get #mark() {
    return this.unread ? this.unread.position : this.position;
  }

  #isOld(its) {
    const mark = this.#mark;
    return mark !== null && its.epoch === mark.epoch && its.offset <= mark.offset;
  }

  /** Apply a live result's value at the time of subscribing, unless an update has overtaken it. */
  #takeCurrent(current) {
    if (!current.isResync && current.position.text !== this.#mark?.text && this.#isOld(current.position)) return;
    if (current.value) this.#applyOrRead(current);
    else {
      this.position = current.position;
      this.unread = null;
    }
  }

  /** Apply the message that replaces lost ones. If it has no value, a resync follows. */
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
    if (next && !this.#fits(next)) next = null;
    for (const [text, pushed] of next ? [] : this.#held) {
      if (this.#isOld(pushed.position)) this.#held.delete(text);
      else if (this.#mayJump(pushed, mark) && !(next?.position.offset >= pushed.position.offset)) next = pushed;
    }
    if (next) this.#held.delete(next.position.text);
    return next;
  }

  #mayJump(pushed, mark) {
    const { position, isResync } = pushed;
    if (isResync && position.epoch === this.#awaitedEpoch) return true;
    return position.epoch === mark.epoch && (isResync || this.isLive) && this.#fits(pushed);
  }

  /** Whether a message is not a patch, or its patch is from or to the current value. */
  #fits({ patch, value }) {
    return !patch || patch.base === this.#etag || value.etag === this.#etag;
  }

  #applyOrRead(pushed) {
    const { value } = pushed;
    const isCurrent = pushed.patch && value.etag === this.#etag;
    if (value && !isCurrent && !isObject(value.error) && !isPlain(value)) this.unread = pushed;
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
 * The updates of a topic, in order and each once, across lost connections. `Client.subscribe` makes one.
 *
 *     for await (const { position, data } of client.subscribe("prices:eur")) console.log(position, data);
 *
 * If the caller is slow, up to `maxQueuedUpdates` of a channel wait, and the rest comes from the service's history once
 * there is room. Of a live result, only the newest value waits. Leaving the loop unsubscribes. A subscription
 * dispatches `change` when `changed()` resolves. Where the topic has presence, it also dispatches `presence`, whose
 * `detail` lists the subscribers that joined and left.
 */
export class Subscription extends EventTarget {
  #feed;
  #take;
  #giveBack;
  #woken = withResolvers();
  #isClosed = false;

  constructor(feed, take, giveBack) {
    super();
    this.#feed = feed;
    this.#take = take;
    this.#giveBack = giveBack;
    feed.changed = () => this.#wake();
    feed.told = (detail) => this.#isClosed || this.dispatchEvent(new CustomEvent("presence", { detail }));
  }

  /** The topic's name. A live result has none until the service confirms the subscription. */
  get topic() {
    return this.#feed.topic;
  }

  /** The position of the last update taken, to subscribe `since` later. Null until the service confirms. */
  get position() {
    return this.#feed.taken?.text ?? null;
  }

  /** The newest value of a live result, whether or not the caller has taken it. */
  get value() {
    return this.#feed.value;
  }

  /** The error of a live result that cannot be computed now; `value` is then the last good one. Otherwise null. */
  get failure() {
    return this.#feed.failure;
  }

  /** Whether the subscription is active on a connection. If not, updates follow after the reconnect. */
  get holds() {
    return this.#feed.link !== null;
  }

  /** Wait until there may be an update, or until `holds` or `failure` changes. */
  async changed() {
    await this.#woken.promise;
  }

  /** Wait until the service confirms the subscription. Rejects if the service refuses it. */
  async ready() {
    while (!this.#feed.isSubscribed && !this.#isClosed) {
      if (this.#feed.error) throw this.#feed.error;
      await this.#woken.promise;
    }
    return this;
  }

  /** Wait for the next update. Rejects if the subscription is refused or the client is closed. */
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

  /** Unsubscribe, and end the loop over the updates. A second call does nothing. */
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
    this.dispatchEvent(new Event("change"));
  }
}

/** Return a promise and its functions, as `Promise.withResolvers` does; not every engine has that yet. */
function withResolvers() {
  /** @type {any} */
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

// ---------------------------------------------------------------------------------------------------------------------
// Session: what all its parts share

/** The options, the clock, ids and hooks that all parts of a session use. */
class Environment {
  #prefix = hexOfRandom(8);
  #count = 0;

  constructor(options) {
    /** @type {any} */
    this.options = withDefaults(options);
    const readsGzip = typeof DecompressionStream === "function" && this.options.acceptGzip !== false;
    this.accept = readsGzip ? ["gzip"] : [];
  }

  get now() {
    return this.options.clock.now() / 1000;
  }

  after(seconds, run) {
    return this.options.clock.setTimeout(run, Math.min(seconds * 1000, LONGEST_TIMER_MS));
  }

  stop(timer) {
    if (timer !== null && timer !== undefined) this.options.clock.clearTimeout(timer);
  }

  /** Return the seconds to wait before a retry; attempts count from 0. */
  backoff(attempt) {
    const { random, backoffBaseSeconds, backoffCapSeconds } = this.options;
    return fullJitter(attempt, random(), backoffBaseSeconds, backoffCapSeconds);
  }

  growing(attempt, base, cap) {
    return growing(attempt, this.options.random(), base, cap);
  }

  newId() {
    return `${this.#prefix}-${(++this.#count).toString(16)}`;
  }

  log(level, ...what) {
    this.options.logger?.[level]?.("pushaside:", ...what);
  }

  /** Call a metrics hook. Log what the hook throws, so that the caller's mistake stops nothing here. */
  tell(name, ...what) {
    try {
      this.options.metrics?.[name]?.(...what);
    } catch (error) {
      this.log("warn", `the metrics hook ${name} failed:`, error);
    }
  }
}

/** One open connection. `drainUntil` is finite once another connection has replaced this one. */
class Link {
  exchanges = new Set();
  feeds = new Set();
  heardAt = null;
  pingedAt = null;
  replaceAt = Infinity;
  drainUntil = Infinity;
  helloAt = Infinity;
  hellos = 0;
  timer = null;
  /** Unanswered pings, each with its time and its exchange. A keepalive's exchange is null. */
  pings = [];

  constructor(socket, id, now) {
    this.socket = socket;
    this.id = id;
    this.openedAt = this.sentAt = now;
  }

  send(text, now) {
    this.sentAt = now;
    this.socket.send(text);
  }

  close() {
    this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
  }

  /** Take the oldest ping that a pong may still answer. Pongs carry no id, and a lost one must not shift the rest. */
  takePing(now, patience) {
    for (let ping; (ping = this.pings.shift()); ) if (now - ping.at <= patience) return ping;
    return null;
  }

  get isOver() {
    return this.drainUntil < Infinity && !this.exchanges.size && !this.feeds.size;
  }
}

/** The open connections. New messages go out on `current`; the others only finish what they carry. */
class Links {
  /** @type {Set<Link>} */
  open = new Set();
  /** @type {Link | null} */
  current = null;
}

// ---------------------------------------------------------------------------------------------------------------------
// Session: opening connections

function makeSocket(Given, url, token) {
  const Socket = Given ?? globalThis.WebSocket;
  if (!Socket) {
    const sentence = "This platform has no WebSocket. Pass a class as the option `WebSocket`.";
    throw new PushasideError("unreachable", sentence, { retryable: false });
  }
  if (!token) return new Socket(url);
  // Outside of pages there is no Origin, so the service wants the token in a header. Node's own class takes headers in
  // its second argument, the package `ws` in a third, which browsers ignore.
  const protocols = ["pushaside.v1", `bearer.${token}`];
  const headers = { Authorization: `Bearer ${token}` };
  const isOfNode = !Given && !globalThis.document && globalThis.process?.versions?.node;
  return isOfNode ? new Socket(url, { protocols, headers }) : new Socket(url, protocols, { headers });
}

/** Return the token, or call the function that gives it. */
async function readToken(token) {
  if (typeof token !== "function") return token;
  try {
    return await token();
  } catch (cause) {
    if (cause instanceof PushasideError) throw cause;
    throw new PushasideError("unreachable", `The token function failed: ${cause}`, { cause });
  }
}

const hexOfRandom = (bytes) => hexOf(crypto.getRandomValues(new Uint8Array(bytes)));

/** Opens one connection at a time and backs off between attempts; `opened` gets the socket, `failed` the last error. */
class Opening {
  #url;
  #environment;
  #opened;
  #failed;
  #attempt = null;
  #failures = 0;
  #hasOpened = false;
  #isStopped = false;

  constructor(url, environment, opened, failed) {
    this.#url = url;
    this.#environment = environment;
    this.#opened = opened;
    this.#failed = failed;
  }

  get isUnderWay() {
    return this.#attempt !== null;
  }

  /** Connect after so many seconds, unless an attempt is under way. */
  begin(seconds) {
    if (!this.#attempt) this.#plan(seconds);
  }

  /** Cut the wait before the next attempt short. */
  hurry() {
    if (this.#attempt?.timer) this.#plan(this.#environment.backoff(0));
  }

  /** Reset the backoff: a connection works. */
  forgetFailures() {
    this.#failures = 0;
  }

  /** Back off and connect again, or report the error if it is permanent or the attempts are used up. */
  retry(error) {
    this.#attempt = null;
    if (this.#isStopped) return;
    this.#environment.log("info", "could not connect:", error.message);
    this.#failures += 1;
    const { connectAttempts, reconnectAttempts } = this.#environment.options;
    const most = this.#hasOpened ? reconnectAttempts : connectAttempts;
    if (!error.retryable || this.#failures >= most) return this.#failed(error);
    this.#plan(Math.max(this.#environment.backoff(this.#failures - 1), (error.retryAfterMs ?? 0) / 1000));
  }

  stop() {
    this.#isStopped = true;
    this.#environment.stop(this.#attempt?.timer);
    this.#attempt?.socket?.close();
  }

  #plan(seconds) {
    if (this.#isStopped) return;
    this.#environment.stop(this.#attempt?.timer);
    const attempt = (this.#attempt = { socket: null, timer: null });
    attempt.timer = this.#environment.after(seconds, () => {
      attempt.timer = null;
      this.#connect(attempt).catch((error) => this.retry(error));
    });
  }

  async #connect(attempt) {
    const { WebSocket, token } = this.#environment.options;
    const began = this.#environment.now;
    try {
      const url = typeof this.#url === "function" ? await this.#url() : this.#url;
      const bearer = await readToken(token);
      if (this.#isStopped) return;
      attempt.socket = makeSocket(WebSocket, url, bearer);
    } catch (cause) {
      if (cause instanceof PushasideError) throw cause;
      const retryable = cause?.name !== "SyntaxError";
      throw new PushasideError("unreachable", `The connection attempt failed: ${cause}`, { cause, retryable });
    }
    await this.#waitOpen(attempt.socket, began);
  }

  #waitOpen(socket, began) {
    const { promise, resolve, reject } = withResolvers();
    const fail = (/** @type {string} */ why) => {
      this.#environment.stop(timer);
      socket.onopen = socket.onclose = null;
      reject(new PushasideError("unreachable", why));
    };
    const timer = this.#environment.after(this.#environment.options.openTimeoutSeconds, () => {
      fail("The service did not answer the connection attempt in time.");
      socket.close();
    });
    socket.onerror = () => this.#environment.log("debug", "the socket reports an error");
    socket.onclose = () => fail("The connection attempt failed. Browsers do not report the reason.");
    socket.onopen = () => {
      this.#environment.stop(timer);
      this.#environment.tell("connected", this.#environment.now - began);
      this.#attempt = null;
      this.#hasOpened = true;
      this.#opened(socket);
      resolve();
    };
    return promise;
  }
}

/** Keeps links alive: greets, pings, replaces a link before its time ends, and gives up a silent one. */
class Upkeep {
  /** The id of this client's session, once the service has given one. */
  session = undefined;
  #environment;
  #links;
  #lose;
  #replace;

  constructor(environment, links, lose, replace) {
    this.#environment = environment;
    this.#links = links;
    this.#lose = lose;
    this.#replace = replace;
  }

  makeLink(socket) {
    const { maxConnectionSeconds, random } = this.#environment.options;
    const link = new Link(socket, this.#environment.newId(), this.#environment.now);
    link.replaceAt = link.openedAt + aLittleEarly(maxConnectionSeconds, random());
    return link;
  }

  /** Say hello, and plan another hello in case this one is lost. */
  greet(link) {
    const { reaskSeconds, reaskCapSeconds } = this.#environment.options;
    const { now, accept } = this.#environment;
    link.helloAt = now + this.#environment.growing(link.hellos++, reaskSeconds, reaskCapSeconds);
    link.send(JSON.stringify({ action: "hello", id: link.id, session: this.session, accept }), now);
  }

  takeWelcome(link, { id, session, reconnect_after_seconds: seconds }) {
    this.session = textOr(session, this.session);
    if (id !== link.id) return;
    link.helloAt = Infinity;
    if (link !== this.#links.current || !(seconds > 0)) return;
    const { random, backoffBaseSeconds } = this.#environment.options;
    // However short a time the service gives, replacements are no faster than connection attempts.
    link.replaceAt = link.openedAt + Math.max(aLittleEarly(seconds, random()), backoffBaseSeconds);
    this.attend(link);
  }

  /** Do what is due for a link, and plan the next time. */
  attend(link) {
    this.#environment.stop(link.timer);
    if (!this.#links.open.has(link)) return;
    const { now } = this.#environment;
    if (link.isOver || now >= link.drainUntil) return this.#lose(link, 1000, "Another connection replaced it.");
    if (now >= this.#pongDueAt(link)) return this.#lose(link, null, "The service sent nothing, not even a pong.");
    this.#doDue(link, now);
    const silentAt = link.pingedAt === null ? this.#keepaliveAt(link) : this.#pongDueAt(link);
    const nextAt = Math.min(silentAt, link.replaceAt, link.drainUntil, link.helloAt);
    link.timer = this.#environment.after(nextAt - now, () => this.attend(link));
  }

  /** Keep a link only for the answers that it still carries. */
  retire(link) {
    link.drainUntil = this.#environment.now + this.#environment.options.drainSeconds;
    link.replaceAt = link.helloAt = Infinity;
    this.attend(link);
  }

  ping(link, exchange = null) {
    this.#sendPing(link, exchange);
    this.attend(link);
  }

  /** Ping a link that has been silent since a time, unless a ping is unanswered already. */
  probe(link, since) {
    if (link.pingedAt === null && (link.heardAt === null || link.heardAt < since)) this.ping(link);
  }

  /** Take the ping that a pong, or an error without an id, answers. */
  takePing(link) {
    return link.takePing(this.#environment.now, this.#environment.options.pongTimeoutSeconds);
  }

  #doDue(link, now) {
    if (now >= link.helloAt) {
      link.helloAt = Infinity;
      // A service that never says welcome works without a greeting.
      if (link.hellos <= this.#environment.options.maxRetries) this.greet(link);
    }
    if (link.pingedAt === null && now >= this.#keepaliveAt(link)) this.#sendPing(link);
    if (now >= link.replaceAt) {
      link.replaceAt = Infinity;
      this.#replace();
    }
  }

  #pongDueAt({ pingedAt }) {
    return pingedAt === null ? Infinity : pingedAt + this.#environment.options.pongTimeoutSeconds;
  }

  /** Return when a ping is due. With subscriptions, only what arrives proves that the connection is alive. */
  #keepaliveAt({ openedAt, sentAt, heardAt, feeds }) {
    const { keepaliveSeconds, subscribedKeepaliveSeconds } = this.#environment.options;
    const heard = Math.max(openedAt, heardAt ?? 0);
    const idleAt = Math.max(heard, sentAt) + keepaliveSeconds;
    return feeds.size ? Math.min(idleAt, heard + subscribedKeepaliveSeconds) : idleAt;
  }

  #sendPing(link, exchange = null) {
    link.send(PING, this.#environment.now);
    link.pings.push({ at: link.sentAt, exchange });
    link.pingedAt ??= link.sentAt;
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Session: exchanges and their answers

/** Collects answers that arrive in pieces. Memory is bounded: the answer that is silent longest is dropped first. */
class Pieces {
  #unfinished = new Map();
  #bytes = 0;
  #maxBytes;
  #maxAnswers;

  constructor({ maxUnfinishedBytes, maxUnfinishedResults }) {
    this.#maxBytes = maxUnfinishedBytes;
    this.#maxAnswers = maxUnfinishedResults;
  }

  /** Add a piece and return its answer, of which `missing` pieces are still to come. */
  add(link, { id, of, index, count, data }) {
    const name = `${id} ${link.id} ${of} ${count}`;
    const unfinished = this.#unfinished.get(name) ?? { id, link, texts: [], missing: count, size: 0 };
    this.#unfinished.delete(name);
    this.#unfinished.set(name, unfinished); // the answer with the newest piece is last
    if (unfinished.texts[index] !== undefined) return unfinished;
    const size = data.length + 128; // so that empty pieces are not free
    unfinished.texts[index] = data;
    unfinished.missing -= 1;
    unfinished.size += size;
    this.#bytes += size;
    return unfinished;
  }

  /** Drop the oldest answers until the rest fits the bounds. */
  trim() {
    for (const each of this.#unfinished.values()) {
      if (this.#bytes <= this.#maxBytes && this.#unfinished.size <= this.#maxAnswers) return;
      this.drop((other) => other === each);
    }
  }

  drop(isToGo) {
    for (const [name, unfinished] of this.#unfinished) {
      if (!isToGo(unfinished)) continue;
      this.#unfinished.delete(name);
      this.#bytes -= unfinished.size;
    }
  }
}

/**
 * Holds the exchanges: questions that are not settled. An exchange is on a link, waits for a link, or waits to be asked
 * again. Every retry uses the same id, which the service takes for the same request.
 */
class Exchanges {
  /** The error that ended the session; null while it lasts. */
  ended = null;
  frameBytes = FRAME_BYTES;
  pieces;
  #environment;
  #links;
  #upkeep;
  #all = new Map();

  constructor(environment, links, upkeep) {
    this.#environment = environment;
    this.#links = links;
    this.#upkeep = upkeep;
    this.pieces = new Pieces(environment.options);
  }

  get(id) {
    return this.#all.get(id);
  }

  /** Ask for the caller, and resolve to the answer. Aborting `signal` frees everything. */
  async question(kind, write, deadline, signal, watch = null) {
    checkDeadline(deadline);
    signal?.throwIfAborted();
    const { promise, resolve, reject } = withResolvers();
    const exchange = this.add(kind, write, deadline, resolve, reject, watch);
    const abort = () => {
      this.remove(exchange);
      reject(signal.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  }

  /** Start an exchange. `kind` is the type of its answer; `write` makes the message from an id and the seconds left. */
  add(kind, write, seconds, resolve, reject, watch = null) {
    this.checkOpen();
    const id = this.#environment.newId();
    this.checkSize(write(id, seconds));
    const deadlineAt = this.#environment.now + seconds;
    const counts = { attempts: 0, silences: 0, retries: 0, reads: 0, trouble: "" };
    const where = { link: null, timer: null, reading: null, deadlineTimer: null, isAccepted: false };
    const exchange = { id, kind, write, seconds, deadlineAt, resolve, reject, watch, ...counts, ...where };
    this.#all.set(id, exchange);
    if (seconds < Infinity)
      exchange.deadlineTimer = this.#environment.after(seconds, () => this.#timeOut(exchange));
    this.ask(exchange);
    return exchange;
  }

  checkOpen() {
    if (this.ended) throw this.ended;
  }

  checkSize(text) {
    const most = this.frameBytes - FRAME_HEADER_BYTES;
    if (text.length * 3 <= most || new TextEncoder().encode(text).length <= most) return;
    const sentence = `The message is larger than ${most} bytes. Browsers send a message as one frame.`;
    throw new PushasideError("too_large", sentence);
  }

  /** Ask for the first time or again. Without a connection, the exchange waits for the next one. */
  ask(exchange) {
    this.takeOff(exchange);
    const link = this.#links.current;
    if (!link) return;
    const { now } = this.#environment;
    exchange.link = link;
    exchange.askedAt = now;
    exchange.isAccepted = false;
    link.exchanges.add(exchange);
    this.#waitForAnswer(exchange);
    if (exchange.kind === "pong") return this.#upkeep.ping(link, exchange);
    link.send(exchange.write(exchange.id, exchange.deadlineAt - now), now);
    exchange.attempts += 1;
    this.progress(exchange, "sent");
  }

  /** Ask everything that waits for a connection. */
  askWaiting() {
    for (const exchange of this.#all.values())
      if (!exchange.link && exchange.timer === null && !exchange.reading) this.ask(exchange);
  }

  askLater(exchange, seconds, trouble) {
    this.takeOff(exchange);
    exchange.retries += 1;
    exchange.trouble = trouble;
    exchange.timer = this.#environment.after(seconds, () => this.ask(exchange));
  }

  accept(exchange) {
    if (exchange.isAccepted) return;
    exchange.isAccepted = true;
    this.progress(exchange, "accepted");
  }

  /** Note that part of the answer has arrived, so the service is not silent. */
  hear(exchange) {
    this.accept(exchange);
    if (exchange.link) this.#waitForAnswer(exchange);
  }

  progress({ watch, attempts: attempt }, stage, received = 0, expected = null) {
    const unit = stage === "fetching" ? "bytes" : "pieces";
    const share = expected ? Math.min(1, received / expected) : null;
    watch?.(Object.freeze({ stage, attempt, received, expected, unit, share }));
  }

  takeOff(exchange) {
    this.#environment.stop(exchange.timer);
    exchange.link?.exchanges.delete(exchange);
    exchange.reading?.abort();
    exchange.link = exchange.timer = exchange.reading = null;
  }

  remove(exchange) {
    this.#all.delete(exchange.id);
    this.takeOff(exchange);
    this.#environment.stop(exchange.deadlineTimer);
    this.pieces.drop((each) => each.id === exchange.id);
  }

  resolve(exchange, answer = undefined) {
    this.remove(exchange);
    exchange.resolve(answer);
  }

  reject(exchange, error) {
    this.remove(exchange);
    exchange.reject(error);
  }

  rejectAll(error) {
    for (const exchange of [...this.#all.values()]) this.reject(exchange, error);
  }

  #waitForAnswer(exchange) {
    const { reaskSeconds, reaskCapSeconds } = this.#environment.options;
    this.#environment.stop(exchange.timer);
    const seconds = this.#environment.growing(exchange.silences, reaskSeconds, reaskCapSeconds);
    exchange.timer = this.#environment.after(seconds, () => {
      exchange.timer = null;
      if (exchange.kind === "pong") return; // a ping is not retried: its deadline is soon
      exchange.silences += 1;
      this.#upkeep.probe(exchange.link, exchange.askedAt);
      this.ask(exchange);
    });
  }

  #timeOut(exchange) {
    const sentences = [`There was no answer within ${exchange.seconds} s.`];
    if (exchange.trouble) sentences.push(`The last failure was: ${exchange.trouble}`);
    if (!this.#links.open.size) sentences.push("There is no connection to the service.");
    this.reject(exchange, new PushasideError("timeout", sentences.join(" ")));
  }
}

/** Reads data that is encoded or behind a link. At most `maxFetches` links are followed at once. */
class Reader {
  #environment;
  #fetches = 0;
  /** Functions that start the reads that wait for their turn. @type {(() => void)[]} */
  #turns = [];

  constructor(environment) {
    this.#environment = environment;
  }

  async read(message, reading, tell = (/** @type {any[]} */ ..._progress) => {}) {
    const { maxResultBytes, fetchTimeoutSeconds, fetch } = this.#environment.options;
    if ("data" in message) return decodeData(message.data, message.encoding, maxResultBytes);
    return this.#inTurn(async () => {
      const timer = this.#environment.after(fetchTimeoutSeconds, () => reading.abort());
      try {
        return await fetchData(message.url, message.etag, maxResultBytes, reading.signal, fetch, tell);
      } finally {
        this.#environment.stop(timer);
      }
    });
  }

  async #inTurn(work) {
    if (this.#fetches < this.#environment.options.maxFetches) this.#fetches += 1;
    else await new Promise((resolve) => this.#turns.push(() => resolve(undefined)));
    try {
      return await work();
    } finally {
      const next = this.#turns.shift();
      if (next) next();
      else this.#fetches -= 1;
    }
  }
}

/** Handles answers that arrive in pieces, encoded, or as a link to their data. */
class LargeAnswers {
  #environment;
  #exchanges;
  #reader;

  constructor(environment, exchanges, reader) {
    this.#environment = environment;
    this.#exchanges = exchanges;
    this.#reader = reader;
  }

  /** Take a piece, and return the answer once all pieces are there. */
  takePiece(link, exchange, piece) {
    const { pieces } = this.#exchanges;
    const { maxUnfinishedBytes } = this.#environment.options;
    if (!isPiece(piece)) return this.#reject(exchange, "A piece of the result is not valid.");
    this.#exchanges.hear(exchange);
    const unfinished = pieces.add(link, piece);
    this.#exchanges.progress(exchange, "receiving", piece.count - unfinished.missing, piece.count);
    if (unfinished.size > maxUnfinishedBytes) return this.#exchanges.reject(exchange, tooLarge(maxUnfinishedBytes));
    if (unfinished.missing) return pieces.trim();
    pieces.drop((each) => each === unfinished);
    return this.#readWhole(exchange, unfinished.texts.join(""));
  }

  /** Read the data of an answer. The exchange is not asked again meanwhile. */
  read(exchange, message) {
    this.#exchanges.takeOff(exchange);
    exchange.reads += 1;
    const reading = (exchange.reading = new AbortController());
    const tell = (received, expected) => {
      if (exchange.reading === reading) this.#exchanges.progress(exchange, "fetching", received, expected);
    };
    this.#reader.read(message, reading, tell).then(
      (data) => exchange.reading === reading && this.#exchanges.resolve(exchange, toResult(message, data)),
      (error) => exchange.reading === reading && this.#readFailed(exchange, message, error),
    );
  }

  #readFailed(exchange, message, error) {
    const { maxRetries, fetchAttempts } = this.#environment.options;
    const wait = this.#environment.backoff(exchange.reads - 1);
    const isExpired = EXPIRED.has(error.status);
    const hasAttempts = isExpired ? exchange.retries < maxRetries : exchange.reads < fetchAttempts;
    const isInTime = this.#environment.now + wait < exchange.deadlineAt;
    if (!error.retryable || !hasAttempts || !isInTime) this.#exchanges.reject(exchange, error);
    else if (isExpired) this.#exchanges.askLater(exchange, wait, error.message);
    else exchange.timer = this.#environment.after(wait, () => this.read(exchange, message));
  }

  #readWhole(exchange, text) {
    const message = parseObject(text);
    if (message?.id === exchange.id && ["result", "error", "subscribed"].includes(message.type)) return message;
    return this.#reject(exchange, "The pieces of the result do not make a whole.");
  }

  #reject(exchange, sentence) {
    this.#exchanges.reject(exchange, new PushasideError("unreadable", sentence));
  }
}

const isPiece = ({ index, count, data }) =>
  Number.isInteger(index) && Number.isInteger(count) && typeof data === "string" &&
  index >= 0 && index < count && count <= MOST_PIECES;

/** Settles exchanges by the messages that answer them, or has them asked again. */
class Answers {
  #environment;
  #exchanges;
  #largeAnswers;
  #upkeep;

  constructor(environment, exchanges, largeAnswers, upkeep) {
    this.#environment = environment;
    this.#exchanges = exchanges;
    this.#largeAnswers = largeAnswers;
    this.#upkeep = upkeep;
  }

  take(link, message) {
    const exchange = this.#exchanges.get(message.id);
    if (message.type === "error") this.#takeError(link, exchange, message);
    else if (!exchange) return;
    else if (message.type === "accepted") this.#exchanges.accept(exchange);
    else if (exchange.reading) return;
    else if (message.type === "chunk") this.#takePiece(link, exchange, message);
    else if (message.type === exchange.kind) this.#takeAnswer(link, exchange, message);
  }

  takePong(link) {
    const ping = this.#upkeep.takePing(link);
    if (!this.#exchanges.get(ping?.exchange?.id)) return;
    this.#exchanges.resolve(ping.exchange, this.#environment.now - ping.at);
  }

  #takeAnswer(link, exchange, message) {
    switch (message.type) {
      case "result":
        if (isPlain(message)) this.#exchanges.resolve(exchange, toResult(message, message.data));
        else this.#largeAnswers.read(exchange, message);
        break;
      case "published":
        if (parsePosition(message.position)) this.#exchanges.resolve(exchange, message.position);
        break;
      case "unsubscribed":
        this.#exchanges.resolve(exchange);
        break;
      case "subscribed":
        // Only an answer on the link that carried the last question counts: the subscription must hold there.
        if (exchange.link === link && readPushed(message, false)) this.#exchanges.resolve(exchange, message);
        break;
    }
  }

  #takePiece(link, exchange, piece) {
    const message = this.#largeAnswers.takePiece(link, exchange, piece);
    if (message) this.take(link, message);
  }

  #takeError(link, exchange, message) {
    const error = errorFromWire(message.error);
    if (message.id === link.id) link.helloAt = Infinity;
    // Only pings have no id.
    const failed = message.id === undefined ? this.#upkeep.takePing(link)?.exchange : exchange;
    if (!failed) return this.#environment.log("warn", "ignored an error without an open request:", error.message);
    if (failed.reading) return;
    if (!error.retryable || error.retryAfterMs === undefined) return this.#exchanges.reject(failed, error);
    if (!failed.link) return; // a retry is planned already
    const { random, maxRetries } = this.#environment.options;
    const wait = (error.retryAfterMs / 1000) * (1 + random() / 4);
    const isInTime = this.#environment.now + wait < failed.deadlineAt;
    if (!isInTime || failed.retries >= maxRetries) this.#exchanges.reject(failed, error);
    else this.#exchanges.askLater(failed, wait, error.message);
  }
}

/** Handles API Gateway's own error frames. They name no request, so any exchange that is not accepted may be meant. */
class GatewayFaults {
  #environment;
  #exchanges;
  #upkeep;

  constructor(environment, exchanges, upkeep) {
    this.#environment = environment;
    this.#exchanges = exchanges;
    this.#upkeep = upkeep;
  }

  take(link, sentence) {
    this.#environment.log("warn", "API Gateway reports:", sentence);
    const suspects = [...link.exchanges].filter((each) => !each.isAccepted && each.kind !== "pong");
    if (sentence === "Forbidden") return this.#refuse(link, suspects);
    const { now, options } = this.#environment;
    if (link.helloAt < Infinity)
      link.helloAt = Math.min(link.helloAt, now + this.#environment.backoff(link.hellos));
    for (const each of suspects) {
      const error = new PushasideError("internal", `API Gateway answered: ${sentence}.`);
      if (each.retries >= options.maxRetries) this.#exchanges.reject(each, error);
      else this.#exchanges.askLater(each, this.#environment.backoff(each.retries), error.message);
    }
    this.#upkeep.attend(link);
  }

  /** Handle a message without a route: a retry does not help. An unanswered hello or ping may be that message. */
  #refuse(link, suspects) {
    const error = new PushasideError("forbidden", "The service has no route for the message.");
    const ping = link.helloAt < Infinity ? null : this.#upkeep.takePing(link);
    if (link.helloAt < Infinity) link.helloAt = Infinity;
    else if (ping?.exchange) this.#exchanges.reject(ping.exchange, error);
    else if (!ping) for (const each of suspects) this.#exchanges.reject(each, error);
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

// ---------------------------------------------------------------------------------------------------------------------
// Session: subscriptions

/** Finds feeds by the name of their topic. */
class FeedsByTopic {
  #byTopic = new Map();

  of(topic) {
    return this.#byTopic.get(topic);
  }

  /** File a feed under a topic's name in place of the name it has; null files it under none. */
  rename(feed, topic) {
    const named = this.#byTopic.get(feed.topic);
    named?.delete(feed);
    if (named && !named.size) this.#byTopic.delete(feed.topic);
    if (topic === null) return;
    if (!this.#byTopic.has(topic)) this.#byTopic.set(topic, new Set());
    this.#byTopic.get(topic).add(feed);
  }
}

/** Keeps the newest update of each unknown topic: it may have overtaken the `subscribed` that names the topic. */
class Strays {
  #newest = new Map();

  get(topic) {
    return this.#newest.get(topic);
  }

  put(pushed) {
    const { position } = this.#newest.get(pushed.topic) ?? {};
    if (position?.epoch === pushed.position.epoch && position.offset > pushed.position.offset) return;
    this.#newest.set(pushed.topic, pushed);
    if (this.#newest.size > MOST_STRAYS) this.#newest.delete(this.#newest.keys().next().value);
  }

  clear() {
    this.#newest.clear();
  }
}

/**
 * Unsubscribes. The service may handle two messages at once, in any order. So a pending `subscribe` is answered before
 * the `unsubscribe` goes out, and a new subscription to the same topic waits for both.
 */
class Farewells {
  #links;
  #exchanges;
  #done;
  #underWay = new Map();

  constructor(links, exchanges, done) {
    this.#links = links;
    this.#exchanges = exchanges;
    this.#done = done;
  }

  has(key) {
    return this.#underWay.has(key);
  }

  /** Unsubscribe a feed from its topic on the current link. */
  say(feed) {
    const { key, topic, exchange } = feed;
    if (exchange) {
      exchange.resolve = (message) => this.#unsubscribe(key, message.topic);
      exchange.reject = () => this.#end(key);
      this.#underWay.set(key, exchange);
      feed.exchange = null;
    } else if (feed.link === this.#links.current) this.#unsubscribe(key, topic);
  }

  /** Give up what is under way: its connection is not used any more. */
  forget() {
    for (const exchange of this.#underWay.values()) this.#exchanges.remove(exchange);
    this.#underWay.clear();
  }

  #unsubscribe(key, topic) {
    const write = (id) => JSON.stringify({ action: "unsubscribe", id, topic });
    const end = () => this.#end(key);
    this.#underWay.set(key, this.#exchanges.add("unsubscribed", write, UNSUBSCRIBE_SECONDS, end, end));
  }

  #end(key) {
    this.#underWay.delete(key);
    this.#done(key);
  }
}

/** Makes subscriptions, makes them again on each new connection, repairs gaps, and routes updates to their feeds. */
class Subscriptions {
  #environment;
  #links;
  #exchanges;
  #upkeep;
  #reader;
  #feeds = new Set();
  #topics = new FeedsByTopic();
  #strays = new Strays();
  #farewells;

  constructor(environment, links, exchanges, upkeep, reader) {
    this.#environment = environment;
    this.#links = links;
    this.#exchanges = exchanges;
    this.#upkeep = upkeep;
    this.#reader = reader;
    this.#farewells = new Farewells(links, exchanges, (key) => this.#askWaiting(key));
  }

  /** Subscribe, and return the caller's side of the subscription. */
  add(subject, signal) {
    const feed = new Feed({ ...subject, limit: this.#environment.options.maxQueuedUpdates });
    this.#exchanges.checkSize(this.#write(feed, this.#environment.newId()));
    const abort = () => subscription.close();
    const subscription = new Subscription(feed, () => this.#take(feed), () => {
      signal?.removeEventListener("abort", abort);
      this.#giveBack(feed);
    });
    signal?.addEventListener("abort", abort, { once: true });
    this.#feeds.add(feed);
    this.#topics.rename(feed, feed.topic);
    this.#ask(feed);
    return subscription;
  }

  /** Subscribe again on a new link. Feeds stay on the old link until their subscription holds on the new one. */
  resume() {
    this.forgetFarewells();
    for (const feed of this.#feeds) {
      this.#ask(feed);
      if (!feed.exchange) this.#move(feed, null);
    }
  }

  /** Note that nothing more arrives on a link. */
  leaveLink(link) {
    for (const feed of [...link.feeds]) this.#move(feed, null);
  }

  forgetFarewells() {
    this.#farewells.forget();
  }

  end(error) {
    this.forgetFarewells();
    for (const feed of this.#feeds) {
      this.#detach(feed);
      feed.end(error);
    }
  }

  takePushed(pushed) {
    if (!pushed) return;
    const feeds = this.#topics.of(pushed.topic);
    for (const feed of feeds ? [...feeds] : []) {
      feed.push(pushed);
      this.#follow(feed);
    }
    if (!feeds && this.#hasUnnamed) this.#strays.put(pushed);
  }

  takePresence(presence) {
    for (const feed of [...(this.#topics.of(presence.topic) ?? [])]) feed.told(presence);
  }

  /** Whether a live result has not been given its topic's name yet. */
  get #hasUnnamed() {
    return [...this.#feeds].some((feed) => !feed.topic && !feed.error);
  }

  // Asking

  #write(feed, id) {
    const read = feed.patches ? [...this.#environment.accept, "patch"] : this.#environment.accept;
    const accept = read.length ? read : undefined;
    const fields = { action: "subscribe", id, ...feed.subject, since: feed.position?.text, accept };
    return feed.isLive ? writeMessage(fields, "params", feed.params) : JSON.stringify(fields);
  }

  /** Subscribe or resubscribe. A feed that must wait, for a link or for room, is asked when that has come. */
  #ask(feed) {
    this.#dropExchange(feed);
    this.#unplan(feed);
    if (!this.#links.current || feed.isFull || feed.error || this.#farewells.has(feed.key)) return;
    feed.begin();
    this.#stopReading(feed);
    feed.askedAt = this.#environment.now;
    const write = (id) => this.#write(feed, id);
    const subscribed = (message) => this.#takeSubscribed(feed, message);
    const refused = (error) => this.#takeRefusal(feed, error);
    feed.exchange = this.#exchanges.add("subscribed", write, Infinity, subscribed, refused);
  }

  /** Ask the feeds that waited until their topic was unsubscribed. */
  #askWaiting(key) {
    if (this.#exchanges.ended) return;
    for (const feed of this.#feeds)
      if (feed.key === key && !feed.exchange && !feed.link && !feed.plan) this.#ask(feed);
  }

  #takeSubscribed(feed, message) {
    feed.exchange = null;
    feed.failures = 0;
    this.#move(feed, this.#links.current);
    this.#topics.rename(feed, message.topic);
    const stray = this.#strays.get(message.topic);
    if (stray) feed.push(stray);
    if (!this.#hasUnnamed) this.#strays.clear();
    feed.subscribed(readPushed(message, false), message.recovered !== false);
    this.#follow(feed);
  }

  #takeRefusal(feed, error) {
    feed.exchange = null;
    if (error.retryable && feed.isSubscribed) {
      const seconds = this.#patience(feed.failures++);
      return this.#plan(feed, "ask", Math.max(seconds, (error.retryAfterMs ?? 0) / 1000));
    }
    feed.end(error);
    this.#detach(feed);
  }

  #patience(attempt) {
    const { backoffBaseSeconds, backoffCapSeconds } = this.#environment.options;
    return this.#environment.growing(attempt, backoffBaseSeconds, backoffCapSeconds);
  }

  // Following up on what a feed was given

  #take(feed) {
    const update = feed.take();
    if (update) this.#environment.tell("updateTaken", update.topic, feed.waiting);
    if (feed.makeRoom()) this.#ask(feed);
    return update;
  }

  /** Read the data that a feed needs next, and plan a repair if a message is missing. */
  #follow(feed) {
    if (feed.unread !== feed.readingOf) {
      this.#stopReading(feed);
      if (feed.unread) this.#read(feed);
    }
    if (feed.isMissing) this.#planRepair(feed);
    else if (feed.plan === "gap") this.#unplan(feed);
  }

  /** Resubscribe if the missing message does not arrive in time. In another epoch it never does. */
  #planRepair(feed) {
    if (feed.exchange || feed.link !== this.#links.current) return;
    const { gapSeconds } = this.#environment.options;
    const soonest = Math.max(0, feed.askedAt + gapSeconds - this.#environment.now);
    if (feed.isElsewhere && feed.plan !== "ask") this.#plan(feed, "gap", soonest);
    else if (!feed.plan) this.#plan(feed, "gap", gapSeconds);
  }

  #read(feed) {
    feed.readingOf = feed.unread;
    feed.reads += 1;
    const reading = (feed.reading = new AbortController());
    const { patch, value } = feed.unread;
    const data = patch ? applyPatch(feed.value, patch) : this.#reader.read(value, reading);
    data.then(
      (data) => {
        if (feed.reading !== reading) return;
        feed.read(data);
        this.#follow(feed);
      },
      (error) => {
        if (feed.reading !== reading) return;
        if (patch) this.#patchFailed(feed, error);
        else this.#readFailed(feed, error);
      },
    );
  }

  #patchFailed(feed, error) {
    this.#environment.log("warn", `a patch of ${feed.unread.topic} does not fit; resubscribing for the value:`, error);
    feed.misfit();
    this.#follow(feed);
  }

  #readFailed(feed, error) {
    const { fetchAttempts } = this.#environment.options;
    if (feed.skipUnread()) this.#follow(feed);
    else if (!error.retryable) {
      this.#leave(feed);
      this.#detach(feed);
      feed.end(error);
    } else if (!EXPIRED.has(error.status) && feed.reads < fetchAttempts)
      this.#plan(feed, "read", this.#patience(feed.reads - 1));
    else if (!feed.exchange) this.#plan(feed, "ask", this.#patience(feed.failures++));
  }

  #stopReading(feed) {
    feed.reading?.abort();
    feed.reading = feed.readingOf = null;
    feed.reads = 0;
  }

  #plan(feed, plan, seconds) {
    this.#environment.stop(feed.timer);
    feed.plan = plan;
    feed.timer = this.#environment.after(seconds, () => {
      feed.plan = feed.timer = null;
      if (plan === "read") this.#read(feed);
      else this.#ask(feed);
    });
  }

  #unplan(feed) {
    this.#environment.stop(feed.timer);
    feed.plan = feed.timer = null;
  }

  // Leaving

  #giveBack(feed) {
    this.#feeds.delete(feed);
    if (!feed.error) this.#leave(feed);
    this.#detach(feed);
  }

  /** Unsubscribe, unless another subscription of this client needs the topic. */
  #leave(feed) {
    const { key, topic } = feed;
    const isSame = (each) => each.key === key || (topic !== null && each.topic === topic);
    const isShared = [...this.#feeds].some((each) => each !== feed && !each.error && isSame(each));
    if (this.#links.current && !isShared && !this.#farewells.has(key)) this.#farewells.say(feed);
  }

  /** Stop everything that goes on for a feed. */
  #detach(feed) {
    this.#dropExchange(feed);
    this.#unplan(feed);
    this.#stopReading(feed);
    this.#move(feed, null);
    this.#topics.rename(feed, null);
  }

  #move(feed, link) {
    const held = feed.link !== null;
    feed.link?.feeds.delete(feed);
    feed.link = link;
    link?.feeds.add(feed);
    if (link?.feeds.size === 1) this.#upkeep.attend(link);
    if (held !== (link !== null)) feed.changed();
  }

  #dropExchange(feed) {
    if (feed.exchange) this.#exchanges.remove(feed.exchange);
    feed.exchange = null;
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Session: its life

/** Joins the parts above: opens and replaces links, moves exchanges and feeds to the current one, and ends. */
class Session {
  /** @type {import("./pushaside.d.ts").State} */
  state = "connecting";
  exchanges;
  subscriptions;
  #environment;
  #stateChanged;
  #links = new Links();
  #opening;
  #upkeep;
  #answers;
  #gatewayFaults;
  #opened = withResolvers();
  #gone = withResolvers();
  /** Check at once whether the connection lives: the network has changed, or the machine may have slept. */
  #awake = () => {
    if (globalThis.document?.visibilityState === "hidden") return;
    this.#opening.hurry();
    for (const link of [...this.#links.open]) if (link.pingedAt === null) this.#upkeep.ping(link);
  };

  constructor(url, environment, stateChanged) {
    const links = this.#links;
    const failed = (error) => this.#openingFailed(error);
    const lose = (link, code, why) => this.#lose(link, code, why);
    this.#environment = environment;
    this.#stateChanged = stateChanged;
    this.#opened.promise.catch(() => {});
    this.#opening = new Opening(url, environment, (socket) => this.#linkOpened(socket), failed);
    this.#upkeep = new Upkeep(environment, links, lose, () => this.#opening.begin(0));
    this.exchanges = new Exchanges(environment, links, this.#upkeep);
    const reader = new Reader(environment);
    const largeAnswers = new LargeAnswers(environment, this.exchanges, reader);
    this.#answers = new Answers(environment, this.exchanges, largeAnswers, this.#upkeep);
    this.#gatewayFaults = new GatewayFaults(environment, this.exchanges, this.#upkeep);
    this.subscriptions = new Subscriptions(environment, links, this.exchanges, this.#upkeep, reader);
  }

  get isClosed() {
    return this.exchanges.ended !== null;
  }

  get gone() {
    return this.#gone.promise;
  }

  async open() {
    const { signal } = this.#environment.options;
    signal?.throwIfAborted();
    const sentence = "The client's signal was aborted.";
    const abort = () => this.end(new PushasideError("closed", sentence, { cause: signal?.reason }));
    signal?.addEventListener("abort", abort, { once: true });
    globalThis.addEventListener?.("online", this.#awake);
    globalThis.document?.addEventListener("visibilitychange", this.#awake);
    this.#opening.begin(0);
    await this.#opened.promise;
  }

  /** End for good: reject what is open with the error, and close every connection. */
  end(error) {
    if (this.isClosed) return;
    this.exchanges.ended = error;
    this.#opened.reject(error);
    this.#opening.stop();
    this.subscriptions.end(error);
    this.exchanges.rejectAll(error);
    for (const link of [...this.#links.open]) this.#lose(link, 1000, "The client closed the connection.");
    this.#gone.resolve();
    globalThis.removeEventListener?.("online", this.#awake);
    globalThis.document?.removeEventListener("visibilitychange", this.#awake);
    this.#setState("closed");
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.#stateChanged();
  }

  #openingFailed(error) {
    const { current } = this.#links;
    if (!current) return this.end(error);
    // Only the replacement of a connection that still works has failed.
    current.replaceAt = this.#environment.now + this.#environment.options.backoffCapSeconds;
    this.#upkeep.attend(current);
  }

  /** Make a new connection the current one. The connection before it only finishes what it carries. */
  #linkOpened(socket) {
    if (this.isClosed) return socket.close();
    const link = this.#upkeep.makeLink(socket);
    this.#listen(link);
    this.#links.open.add(link);
    const previous = this.#links.current;
    this.#links.current = link;
    this.#upkeep.greet(link);
    this.subscriptions.resume();
    this.exchanges.askWaiting();
    this.#upkeep.attend(link);
    if (previous) this.#upkeep.retire(previous);
    this.#setState("open");
    this.#opened.resolve();
  }

  #listen(link) {
    link.socket.onmessage = ({ data }) => this.#received(link, data);
    link.socket.onclose = ({ code, reason }) => {
      // 1006 stands for a connection that ended without a close frame (RFC 6455, 7.4.1).
      this.#lose(link, code === 1006 ? null : code, reason || "The connection was lost.");
    };
  }

  /** Drop a connection, and ask on another one what it did not answer. */
  #lose(link, code, why) {
    if (!this.#links.open.delete(link)) return;
    link.close();
    this.#environment.tell("disconnected", code, why);
    this.#environment.stop(link.timer);
    this.exchanges.pieces.drop((each) => each.link === link);
    this.subscriptions.leaveLink(link);
    const wasCurrent = link === this.#links.current;
    if (wasCurrent) {
      this.#links.current = null;
      this.subscriptions.forgetFarewells();
    }
    for (const exchange of [...link.exchanges]) this.exchanges.ask(exchange);
    if (wasCurrent && !this.isClosed) this.#reconnect(link);
  }

  #reconnect(lost) {
    this.#setState("reconnecting");
    if (this.#opening.isUnderWay) return;
    // A connection that delivered nothing counts as a failed attempt, so that the backoff grows.
    const error = new PushasideError("unreachable", "The connection closed before the service sent anything.");
    if (lost.heardAt === null) this.#opening.retry(error);
    else this.#opening.begin(this.#environment.backoff(0));
  }

  #received(link, text) {
    link.heardAt = this.#environment.now;
    link.pingedAt = null;
    this.#opening.forgetFailures();
    const message = parseObject(text);
    if (message) this.#handle(link, message);
    else this.#environment.log("debug", "ignored a frame that is not a JSON object");
    const { open } = this.#links;
    if (open.size > 1) for (const each of [...open]) if (each.isOver) this.#upkeep.attend(each);
  }

  #handle(link, message) {
    switch (message.type) {
      case "update":
      case "resync":
        return this.subscriptions.takePushed(readPushed(message, message.type === "resync"));
      case "presence":
        return this.subscriptions.takePresence(readPresence(message));
      case "welcome":
        return this.#takeWelcome(link, message);
      case "bye":
        return this.#takeBye(link, message);
      case "pong":
        return this.#answers.takePong(link);
      case undefined:
        if (typeof message.message === "string") this.#gatewayFaults.take(link, message.message);
        return;
      default: // answers; types that only a newer service knows are ignored
        this.#answers.take(link, message);
    }
  }

  #takeWelcome(link, message) {
    const frameBytes = message.limits?.frame_bytes;
    if (frameBytes > 2 * FRAME_HEADER_BYTES) this.exchanges.frameBytes = frameBytes;
    this.#upkeep.takeWelcome(link, message);
  }

  /** Leave a connection that the service is about to close: at once, in some time, or for good. */
  #takeBye(link, { code, retry, after_ms: ms }) {
    if (link !== this.#links.current) return;
    if (retry === false) {
      const sentence = `The service closed the connection for good: ${code}.`;
      return this.end(new PushasideError(textOr(code, "closed"), sentence, { retryable: false }));
    }
    link.replaceAt = Infinity;
    if (isNumber(ms) && ms > 0) return this.#opening.begin((this.#environment.options.random() * ms) / 2000);
    this.#links.current = null;
    this.subscriptions.forgetFarewells();
    this.subscriptions.leaveLink(link);
    this.#setState("reconnecting");
    this.#opening.begin(this.#environment.backoff(0));
    this.#upkeep.retire(link);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The client

/** Keeps the newest progress of each stage until the caller takes it. */
class ProgressQueue {
  #newest = new Map();
  #woken = withResolvers();
  #isOver = false;

  put(progress) {
    this.#newest.set(`${progress.attempt} ${progress.stage}`, progress);
    this.#woken.resolve();
  }

  end() {
    this.#isOver = true;
    this.#woken.resolve();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      for (const [name, progress] of this.#newest) {
        this.#newest.delete(name);
        yield progress;
      }
      if (this.#isOver && !this.#newest.size) return;
      await this.#woken.promise;
      this.#woken = withResolvers();
    }
  }
}

/** A connection to the service that reconnects by itself; `connect` makes one. It dispatches `statechange`. */
export class Client extends EventTarget {
  /** @type {Environment} */
  #environment;
  /** @type {Session} */
  #session;

  /** @param {string | (() => string | Promise<string>)} url @param {Options} options */
  constructor(url, options = {}) {
    super();
    this.#environment = new Environment(options);
    this.#session = new Session(url, this.#environment, () => this.dispatchEvent(new Event("statechange")));
  }

  /** `connecting`, `open`, `reconnecting` or `closed`. */
  get state() {
    return this.#session.state;
  }

  /** Whether the client is closed: it does not reconnect any more. */
  get isClosed() {
    return this.#session.isClosed;
  }

  /** Wait until the client is closed. The loss of a connection does not close it. */
  async waitClosed() {
    await this.#session.gone;
  }

  /** Connect. Call it once; `connect` does it for you. */
  async open() {
    await this.#session.open();
  }

  /** Close the connection. Open requests fail with the code `closed`. A second call does nothing. */
  close() {
    this.#session.end(new PushasideError("closed", "The client was closed."));
  }

  /**
   * Request the result of a compute. `deadline` is the time in seconds until the request fails. `maxAge` is the
   * greatest age of a cached result in seconds; 0 recomputes it. Aborting `signal` frees everything.
   * @param {string} compute
   * @param {object} params
   * @param {RequestOptions} options
   * @returns {Promise<Result>}
   */
  async request(compute, params = {}, options = {}) {
    return this.#request(compute, params, options);
  }

  /**
   * Request a result, and iterate over the request's `Progress` and at last its `Result`. A slow caller misses reports:
   * only the newest one of each stage waits. Leaving the loop abandons the request.
   *
   *     for await (const each of client.stream("documents", { collection: "airports", ids: ["TX"] })) {
   *       if ("stage" in each) bar.value = each.share ?? 0;
   *       else draw(each.data);
   *     }
   *
   * @param {string} compute
   * @param {object} params
   * @param {RequestOptions} options
   * @returns {AsyncGenerator<Progress | Result, void, undefined>}
   */
  async *stream(compute, params = {}, { signal, ...options } = {}) {
    const leaving = new AbortController();
    const abort = () => leaving.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    const queue = new ProgressQueue();
    const watch = (progress) => queue.put(progress);
    const result = this.#request(compute, params, { ...options, signal: leaving.signal }, watch);
    result.then(() => queue.end(), () => queue.end());
    try {
      yield* queue;
      yield await result;
    } finally {
      signal?.removeEventListener("abort", abort);
      leaving.abort();
    }
  }

  /**
   * Measure the round trip to the service, in seconds.
   * @param {import("./pushaside.d.ts").AskOptions} options
   * @returns {Promise<number>}
   */
  async ping({ deadline = 10, signal } = {}) {
    return this.#session.exchanges.question("pong", () => PING, deadline, signal);
  }

  /**
   * Publish a message to a channel, and resolve to its position there. Retries do not publish it twice.
   * @param {string} topic
   * @param {unknown} data
   * @param {import("./pushaside.d.ts").AskOptions} options
   * @returns {Promise<string>}
   */
  async publish(topic, data, { deadline = 30, signal } = {}) {
    const json = writeJson(data, "data");
    const write = (id) => writeMessage({ action: "publish", id, topic, message_id: id }, "data", json);
    return this.#session.exchanges.question("published", write, deadline, signal);
  }

  /**
   * Subscribe to a channel by its topic, or to the result of a compute with params: a live result.
   * @param {string | import("./pushaside.d.ts").Subject} what
   * @param {import("./pushaside.d.ts").SubscribeOptions} options
   */
  subscribe(what, options = {}) {
    /** @type {any} */
    const subject = { ...(typeof what === "string" ? { topic: what } : what), ...options };
    const { topic, compute, since, signal, patches } = subject;
    if ((topic === undefined) === (compute === undefined)) throw new TypeError("Pass either a topic or a compute.");
    const position = since == null ? null : parsePosition(since);
    if (since != null && !position)
      throw new TypeError(`${since} is not a position. Pass one that a subscription or an update gave you.`);
    signal?.throwIfAborted();
    this.#session.exchanges.checkOpen();
    const params = compute === undefined ? undefined : writeJson(subject.params ?? {}, "params");
    return this.#session.subscriptions.add({ topic, compute, params, since: position, patches }, signal);
  }

  /** @param {string} compute @param {object} params @param {RequestOptions} options */
  async #request(compute, params, options, watch = (/** @type {Progress} */ _progress) => {}) {
    const { deadline = 30, maxAge, signal } = options;
    if (maxAge != null && !isNumber(maxAge)) throw new RangeError("maxAge must be a number of seconds, 0 or more.");
    const write = this.#requestWriter(compute, writeJson(params, "params"), maxAge);
    const began = this.#environment.now;
    const tell = (outcome, cache) =>
      this.#environment.tell("requestDone", compute, outcome, cache, this.#environment.now - began);
    try {
      const result = await this.#session.exchanges.question("result", write, deadline, signal, (progress) => {
        const { stage, attempt } = progress;
        if (stage === "sent" && attempt > 1) this.#environment.tell("askedAgain", compute, attempt);
        watch(progress);
      });
      tell("result", result.cache);
      return result;
    } catch (error) {
      tell(error instanceof PushasideError ? error.code : "cancelled", null);
      throw error;
    }
  }

  #requestWriter(compute, json, maxAge) {
    const accept = this.#environment.accept.length ? this.#environment.accept : undefined;
    return (id, left) => {
      const times = { deadline_ms: Math.max(1, Math.round(left * 1000)), max_age: maxAge };
      return writeMessage({ action: "request", id, compute, ...times, accept }, "params", json);
    };
  }
}

/**
 * Connect to the service at a URL, and resolve to a client.
 *
 * `token` is the credential; a function that returns one is called before every attempt. `url` may be a function too,
 * for example to give each attempt a fresh ticket. Aborting `signal` closes the client.
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

/**
 * Yield a newly opened client for each turn of the loop, and close the client of the turn before.
 *
 *     for await (const client of connections("wss://push.example.com/v1", { token })) {
 *       show(client);
 *       await client.waitClosed();
 *     }
 *
 * A client reconnects by itself. It closes for good if the service says so, or after `reconnectAttempts`. After a
 * client that did not open, or that closed early, the loop backs off with full jitter. Aborting `signal` ends the loop.
 * The loop throws errors that a retry cannot fix.
 *
 * @param {string | (() => string | Promise<string>)} url
 * @param {Options} [options]
 * @returns {AsyncGenerator<Client, void, undefined>}
 */
export async function* connections(url, options = {}) {
  const { signal, clock, random, backoffBaseSeconds, backoffCapSeconds } = withDefaults(options);
  const now = () => clock.now() / 1000;
  const wait = async (failures, atLeastMs = 0) => {
    const seconds = fullJitter(failures, random(), backoffBaseSeconds, backoffCapSeconds);
    await pause(clock, Math.max(seconds * 1000, atLeastMs), signal);
  };
  for (let failures = 0; !signal?.aborted; ) {
    const openedAt = now();
    let client;
    try {
      client = await connect(url, options);
    } catch (error) {
      if (signal?.aborted) return;
      if (!error.retryable) throw error;
      await wait(failures++, error.retryAfterMs);
      continue;
    }
    let hasEnded = false;
    try {
      yield client;
      hasEnded = client.isClosed;
    } finally {
      client.close();
    }
    if (now() - openedAt > backoffCapSeconds) failures = 0;
    if (hasEnded) await wait(failures++);
  }
}

/** Wait for a time, or until the signal is aborted. */
async function pause(clock, ms, signal) {
  if (signal?.aborted) return;
  const { promise, resolve } = withResolvers();
  const timer = clock.setTimeout(resolve, ms);
  signal?.addEventListener("abort", resolve, { once: true });
  await promise;
  clock.clearTimeout(timer);
  signal?.removeEventListener("abort", resolve);
}

// ---------------------------------------------------------------------------------------------------------------------
// HTTP

const LONGEST_WAIT_SECONDS = 20; // API Gateway gives up on an integration after 30
/** Whether a retry may succeed: Request Timeout, Too Early, Too Many Requests, server errors. */
const isRetryable = (status) => status === 408 || status === 425 || status === 429 || status >= 500;
/** The error codes of statuses without a code in the body: an authorizer or a proxy may have answered. */
const CODES = Object.freeze({
  400: "invalid_message",
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  409: "invalid_params",
  413: "too_large",
  422: "invalid_params",
  429: "rate_limited",
});

/** Read the seconds of a header such as `Retry-After` or `Age` as ms; ignore dates and invalid values. */
const readMs = (value) => (/^[0-9]+$/.test(value ?? "") ? Number(value) * 1000 : undefined);

/** Make an error from an answer, which may be a problem document (RFC 9457). */
function errorFromAnswer({ status, headers }, fields) {
  const sentence = fields?.detail ?? fields?.message ?? `The service answered with status ${status}.`;
  const retryAfterMs = fields?.retry_after_ms ?? readMs(headers.get("retry-after"));
  const code = textOr(fields?.code, CODES[status]);
  if (code) return errorFromWire({ ...fields, code, message: sentence, retry_after_ms: retryAfterMs });
  return new PushasideError("unreachable", sentence, { status, retryAfterMs, retryable: isRetryable(status) });
}

/** Joins a deadline and the caller's signal into one signal; `end` releases both. */
class Limit {
  #controller = new AbortController();
  #clock;
  #endsAt;
  #timer;
  #given;
  #abort = () => this.#controller.abort(this.#given.reason);

  constructor(clock, seconds, given, sentence = `There was no answer within ${seconds} s.`, code = "timeout") {
    checkDeadline(seconds);
    given?.throwIfAborted();
    this.#clock = clock;
    this.#given = given;
    this.#endsAt = this.now + seconds;
    const end = () => this.#controller.abort(new PushasideError(code, sentence));
    this.#timer = clock.setTimeout(end, Math.min(seconds * 1000, LONGEST_TIMER_MS));
    given?.addEventListener("abort", this.#abort, { once: true });
  }

  get signal() {
    return this.#controller.signal;
  }

  get now() {
    return this.#clock.now() / 1000;
  }

  get left() {
    return this.#endsAt - this.now;
  }

  async sleep(ms) {
    await pause(this.#clock, ms, this.signal);
    this.signal.throwIfAborted();
  }

  end() {
    this.#clock.clearTimeout(this.#timer);
    this.#given?.removeEventListener("abort", this.#abort);
  }
}

/**
 * A client for the HTTP API. It needs no open connection, and the service never loses a request that `submit` accepted.
 *
 *     const client = new HttpClient("http://127.0.0.1:8080/");
 *     const { id } = await client.submit("documents", { collection: "airports", ids: ["TX"] });
 *     const { data } = await client.wait(id);
 *
 * Throttled and lost calls are retried, a bounded number of times and within the deadline. If the service cannot be
 * reached at all, the first call fails at once.
 */
export class HttpClient {
  #url;
  #options;
  #wasReached = false;

  /** @param {string} url @param {import("./pushaside.d.ts").HttpOptions} options */
  constructor(url, options = {}) {
    if (!/^https?:\/\//i.test(url))
      throw new TypeError(`${url} is not an HTTP URL. Pass one such as http://127.0.0.1:8080/.`);
    this.#url = `${url.replace(/\/+$/, "")}/`;
    this.#options = withDefaults(options);
  }

  /**
   * Submit a request that the service will not lose. `deliver` says where the result goes; by default the service keeps
   * it for polling. The same `id` means the same request; the default is a new one. `requestDeadline` is the service's
   * time for the result in seconds, and `deadline` the time for the submission.
   * @param {string} compute
   * @param {object} params
   * @param {import("./pushaside.d.ts").SubmitOptions} options
   * @returns {Promise<Accepted>}
   */
  async submit(compute, params = {}, options = {}) {
    const { deliver = { poll: true }, id = hexOfRandom(16), requestDeadline, maxAge } = options;
    const ms = requestDeadline == null ? undefined : Math.max(1, Math.round(requestDeadline * 1000));
    const fields = { id, compute, deliver, deadline_ms: ms, max_age: maxAge };
    const body = writeMessage(fields, "params", writeJson(params, "params"));
    return this.#within(options, async (limit) => {
      const { fields: said } = await this.#ask("requests", limit, { method: "POST", body });
      return Object.freeze({ id: textOr(said.id, id), status: textOr(said.status, "pending") });
    });
  }

  /**
   * Return the state of a request. With `wait`, the service waits up to that many seconds, at most 25, for the outcome.
   * @param {string} id
   * @param {import("./pushaside.d.ts").LookOptions} options
   * @returns {Promise<RequestState>}
   */
  async look(id, { wait = 0, ...options } = {}) {
    return this.#within(options, (limit) => this.#look(id, wait, limit));
  }

  /**
   * Wait for a request's result. Rejects with the request's error if it failed.
   * @param {string} id
   * @param {import("./pushaside.d.ts").AskOptions} options
   * @returns {Promise<Result>}
   */
  async wait(id, options = {}) {
    return this.#within(options, (limit) =>
      this.#poll(limit, async (wait) => {
        const { outcome, retryAfterMs } = await this.#look(id, wait, limit);
        if (outcome instanceof PushasideError) throw outcome;
        return { found: outcome, retryAfterMs };
      }),
    );
  }

  /**
   * Get a result as a resource that HTTP caches may answer. Pass an earlier resource as `known` to revalidate it: the
   * service sends the data only if it has changed.
   * @param {string} compute
   * @param {object} params
   * @param {import("./pushaside.d.ts").ResultOptions} options
   * @returns {Promise<Resource>}
   */
  async result(compute, params = {}, { known, ...options } = {}) {
    const query = encodeURIComponent(writeJson(params, "params"));
    const path = `results/${encodeURIComponent(compute)}?params=${query}`;
    return this.#within(options, (limit) =>
      this.#poll(limit, async (wait) => {
        /** @type {Record<string, string>} */
        const headers = wait ? { Prefer: `wait=${wait}` } : {};
        if (known?.etag) headers["If-None-Match"] = `"${known.etag}"`;
        const answer = await this.#ask(path, limit, { headers, wait });
        const { status, headers: said } = answer.response;
        if (status === 202) return { found: null, retryAfterMs: readMs(said.get("retry-after")) };
        const resource = status === 304 && known ? known : await readResource(answer);
        return { found: Object.freeze({ ...resource, ageMs: readMs(said.get("age")) ?? 0 }) };
      }),
    );
  }

  /**
   * Say that the sources of tags changed; the change is durable once the promise resolves. Results with one of the tags
   * become stale, and subscribers receive the new ones. `scope` says which results: those of one tenant (the caller's
   * own, or `tenant`), `shared` ones, or `all`.
   * @param {Iterable<string>} tags
   * @param {import("./pushaside.d.ts").ChangedOptions} options
   * @returns {Promise<void>}
   */
  async changed(tags, { scope = "tenant", tenant, ...options } = {}) {
    if (typeof tags === "string") throw new TypeError(`\`tags\` is one string. Pass a list of tags: ["${tags}"].`);
    const body = writeJson({ tags: [...tags], scope, tenant }, "tags");
    // A repeat is harmless, so retries need no id.
    await this.#within(options, (limit) => this.#ask("changes", limit, { method: "POST", body }));
  }

  /**
   * Get the secrets that sign this caller's webhooks, the current one first. Never use them in a page.
   * @param {import("./pushaside.d.ts").AskOptions} options
   * @returns {Promise<readonly string[]>}
   */
  async webhookSecrets(options = {}) {
    return this.#within(options, async (limit) => {
      const { fields } = await this.#ask("webhooks/keys", limit, {});
      if (!Array.isArray(fields.secrets)) throw new PushasideError("unreadable", "The service sent no secrets.");
      return Object.freeze(namesOf(fields.secrets));
    });
  }

  /** @template T @param {import("./pushaside.d.ts").AskOptions} options @param {(limit: Limit) => Promise<T>} work */
  async #within({ deadline = 30, signal }, work) {
    const limit = new Limit(this.#options.clock, deadline, signal);
    try {
      return await work(limit);
    } finally {
      limit.end();
    }
  }

  /** Long-poll until `ask` finds something. A poll that waited on the service needs no pause after it. */
  async #poll(limit, ask) {
    for (;;) {
      const began = limit.now;
      const wait = Math.max(0, Math.min(LONGEST_WAIT_SECONDS, Math.floor(limit.left)));
      const { found, retryAfterMs = 1000 } = await ask(wait);
      if (found !== null) return found;
      if (!wait || limit.now - began < wait / 2) await limit.sleep(retryAfterMs);
    }
  }

  async #look(id, wait, limit) {
    const path = `requests/${encodeURIComponent(id)}${wait ? `?wait=${wait}` : ""}`;
    for (let reads = 1; ; reads += 1) {
      const { fields, response } = await this.#ask(path, limit, { wait });
      const { result, error, delivery } = fields;
      const status = textOr(fields.status, "pending");
      const retryAfterMs = readMs(response.headers.get("retry-after"));
      const known = { id, status, delivery: isObject(delivery) ? delivery : {}, retryAfterMs };
      if (status === "failed") return Object.freeze({ ...known, outcome: errorFromWire(error) });
      if (status !== "done") return Object.freeze({ ...known, outcome: null });
      try {
        return Object.freeze({ ...known, outcome: await this.#readOutcome(id, result, limit) });
      } catch (failure) {
        // The link may have expired: the next answer carries a new one.
        if (!failure.retryable || limit.signal.aborted || reads >= this.#options.fetchAttempts) throw failure;
      }
    }
  }

  async #readOutcome(id, message, limit) {
    const { maxResultBytes, fetch } = this.#options;
    if (!isObject(message)) throw new PushasideError("unreadable", "The request is done, but it has no result.");
    const result = { id, ...message };
    if (isPlain(message)) return toResult(result, message.data);
    if ("data" in message) return toResult(result, await decodeData(message.data, message.encoding, maxResultBytes));
    const read = (bound) => fetchData(message.url, message.etag, maxResultBytes, bound.signal, fetch);
    return toResult(result, await this.#bounded(limit, 0, read));
  }

  /** Call, and retry after retryable errors. */
  async #ask(path, limit, call) {
    const { maxRetries, random, backoffBaseSeconds, backoffCapSeconds } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#bounded(limit, call.wait ?? 0, (bound) => this.#call(path, bound, call));
      } catch (error) {
        if (!error.retryable || !this.#wasReached || limit.signal.aborted || attempt >= maxRetries) throw error;
        const ms = fullJitter(attempt, random(), backoffBaseSeconds, backoffCapSeconds) * 1000;
        const wait = Math.max(ms, error.retryAfterMs ?? 0);
        if (wait >= limit.left * 1000) throw error;
        await limit.sleep(wait);
      }
    }
  }

  /** Make one call within `fetchTimeoutSeconds` and `wait` more seconds. */
  async #bounded(limit, wait, work) {
    const { clock, fetchTimeoutSeconds } = this.#options;
    const late = "The service did not answer in time.";
    const bound = new Limit(clock, fetchTimeoutSeconds + wait, limit.signal, late, "unreachable");
    try {
      return await work(bound);
    } catch (cause) {
      throw bound.signal.aborted ? bound.signal.reason : cause;
    } finally {
      bound.end();
    }
  }

  async #call(path, { signal }, { method = "GET", headers = {}, body }) {
    const { token, fetch, maxResultBytes } = this.#options;
    const bearer = await readToken(token);
    const more = bearer ? { Authorization: `Bearer ${bearer}` } : {};
    const kind = body === undefined ? {} : { "Content-Type": "application/json" };
    const given = { Accept: "application/json", ...headers, ...more, ...kind };
    let response, bytes;
    try {
      // The platform follows links, and drops the token when it does.
      response = await fetch(this.#url + path, { method, headers: given, body, signal, credentials: "omit" });
      bytes = response.body ? await readBytes(response.body, maxResultBytes) : new Uint8Array();
    } catch (cause) {
      if (cause instanceof PushasideError) throw cause;
      throw new PushasideError("unreachable", `The service cannot be reached: ${cause}`, { cause });
    }
    this.#wasReached = true;
    const text = new TextDecoder().decode(bytes);
    if (response.status >= 400) throw errorFromAnswer(response, parseObject(text));
    return { response, bytes, text, fields: parseObject(text) ?? {} };
  }
}

/** Read a resource. After a redirect, hash the body: pages cannot see the first answer, which had the etag. */
async function readResource({ response, bytes, text }) {
  const said = response.headers.get("etag")?.replace(/^W\//, "").replaceAll('"', "") ?? "";
  const etag = !response.redirected ? said : canHash() ? await hashOf(bytes) : "";
  try {
    return { data: JSON.parse(text), etag };
  } catch (cause) {
    throw new PushasideError("unreadable", `The result is not valid JSON: ${cause}`, { cause });
  }
}
