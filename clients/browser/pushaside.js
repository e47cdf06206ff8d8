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
 * `Client` moves exchanges and feeds to whichever link is current, and is the only one that sends. `HttpClient` needs
 * none of them.
 */

/** @typedef {import("./pushaside.d.ts").Options} Options */
/** @typedef {import("./pushaside.d.ts").Result} Result */
/** @typedef {import("./pushaside.d.ts").RequestOptions} RequestOptions */
/** @typedef {import("./pushaside.d.ts").ErrorDetails} ErrorDetails */
/** @typedef {import("./pushaside.d.ts").Progress} Progress */
/** @typedef {import("./pushaside.d.ts").Accepted} Accepted */
/** @typedef {import("./pushaside.d.ts").RequestState} RequestState */
/** @typedef {import("./pushaside.d.ts").Resource} Resource */

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
  subscribedKeepaliveSeconds: 120, // who just listens learns of a loss without a word by nothing else
  pongTimeoutSeconds: 10,
  maxConnectionSeconds: 6600, // and any after two hours
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

/** Take the settings that are given, and the defaults of all others. @param {any} options @returns {any} */
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

/** How many bytes a body will have, if that can be known: the header counts those of what is compressed. */
function lengthOf({ type, headers }) {
  const length = headers?.get("content-length");
  return length && type !== "cors" && !headers.has("content-encoding") ? Number(length) : null;
}

async function fetchData(url, etag, limit, signal, fetch, tell = (/** @type {any[]} */ ..._progress) => {}) {
  if (!/^https?:\/\//i.test(textOr(url, "")))
    throw new PushasideError("unreadable", "The result came without data, and without a link that can be followed.");
  let bytes;
  try {
    const response = await fetch(url, { signal, credentials: "omit" });
    const { ok, status } = response;
    if (!ok) throw new PushasideError("unreachable", `The link to the result was answered with ${status}.`, {
      status, retryable: EXPIRED.has(status) || status === 408 || status === 429 || status >= 500,
    });
    const expected = lengthOf(response);
    tell(0, expected);
    bytes = response.body ? await readBytes(response.body, limit, (size) => tell(size, expected)) : new Uint8Array();
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

const canHash = () => Boolean(globalThis.crypto?.subtle);
const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
/** What the service names data by: 96 bits of their SHA-256, in hex. */
const hashOf = async (bytes) => hexOf(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).slice(0, 12));

/** Check data against the etag, its hash. Pages of no secure context can't, and other etags tell nothing. */
async function checkEtag(bytes, etag) {
  if (!canHash() || !/^[0-9a-f]{24}$/.test(textOr(etag, ""))) return;
  if ((await hashOf(bytes)) !== etag) throw new Error(`it is not what the etag ${etag} names`);
}

// Patches. No value is changed: what a patch changes is made anew.

/** Write JSON in its canonical form (RFC 8785). */
function writeCanonical(value) {
  if (Array.isArray(value)) return `[${value.map(writeCanonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${writeCanonical(value[name])}`);
  return `{${members.join(",")}}`;
}

/** Return the value that a patch makes of another; rejected if it can't be applied, or something else comes out. */
async function applyPatch(value, { body, digest }) {
  let patched = value;
  if (Array.isArray(body)) for (const operation of body) patched = applyOperation(patched, operation);
  else patched = mergePatch(value, body);
  const made = await hashOf(new TextEncoder().encode(writeCanonical(patched)));
  if (made !== digest) throw new Error(`The digest is ${made} and not ${digest}.`);
  return patched;
}

/** Apply a merge patch as section 2 of RFC 7396 says. Members are never assigned: `__proto__` is a name like others. */
function mergePatch(target, patch) {
  if (!isObject(patch)) return patch;
  const merged = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) merged.delete(name);
    else merged.set(name, mergePatch(merged.get(name), change));
  }
  return Object.fromEntries(merged);
}

/** Apply an operation of a JSON Patch (RFC 6902), of those that the service uses. */
function applyOperation(target, { op, path, from, value }) {
  if (op === "remove") return changeAt(target, parsePointer(path), removeMember);
  if (op === "add") return changeAt(target, parsePointer(path), addMember, value);
  if (op === "replace") return changeAt(target, parsePointer(path), replaceMember, value);
  if (op !== "move") throw new Error(`There is no operation ${op}.`);
  const source = parsePointer(from);
  const moved = source.reduce((container, step) => memberOf(container, step), target);
  return changeAt(changeAt(target, source, removeMember), parsePointer(path), addMember, moved);
}

/** Read a JSON Pointer (RFC 6901). */
function parsePointer(text) {
  if (text !== "" && !text.startsWith("/")) throw new Error(`${text} is no pointer.`);
  return text.split("/").slice(1).map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function memberOf(container, step) {
  if (Array.isArray(container)) indexOf(step, container.length);
  else if (!isObject(container)) throw new Error(`There is nothing that could have ${step}.`);
  if (!Object.hasOwn(container, step)) throw new Error(`There is no ${step}.`);
  return container[step];
}

function indexOf(step, length) {
  if (!/^(0|[1-9][0-9]*)$/.test(step) || Number(step) > length)
    throw new Error(`${step} is no index of ${length} items.`);
  return Number(step);
}

/** Return a container changed where a path leads to; `change` gets the container, the last step and the new value. */
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
  if (!isObject(container)) throw new Error(`There is nothing to add ${step} to.`);
  return setMember(container, step, value);
}

function removeMember(container, step) {
  memberOf(container, step);
  if (Array.isArray(container)) return container.toSpliced(Number(step), 1);
  return Object.fromEntries(Object.entries(container).filter(([name]) => name !== step));
}

const setMember = (object, name, value) => Object.fromEntries([...Object.entries(object), [name, value]]);

// Topics

function parsePosition(text) {
  const found = /^([A-Za-z0-9_-]{1,32}):(0|[1-9][0-9]{0,15})$/.exec(textOr(text, ""));
  return found && { epoch: found[1], offset: Number(found[2]), text: found[0] };
}

/** What one message of a topic brings: `value` is null if it only says where the topic is. */
function readPushed(message, isResync) {
  const position = parsePosition(message.position);
  if (typeof message.topic !== "string" || !position) return null;
  const hasData = isObject(message.error) || "data" in message || "url" in message;
  const patch = hasData ? null : readPatch(message);
  return { topic: message.topic, position, isResync, value: hasData || patch ? message : null, patch };
}

/** What makes the value of `etag` of the one of `base`: a JSON Patch is an array, a JSON Merge Patch an object. */
function readPatch({ etag, base, digest, merge_patch: merge, json_patch: operations }) {
  const body = isObject(merge) ? merge : Array.isArray(operations) ? operations : null;
  return body && [etag, base, digest].every((each) => typeof each === "string" && each) ? { body, base, digest } : null;
}

const namesOf = (value) => (Array.isArray(value) ? value.filter((each) => typeof each === "string") : []);

function readPresence({ topic, count, joined, left }) {
  return Object.freeze({ topic, count: isNumber(count) ? count : 0, joined: namesOf(joined), left: namesOf(left) });
}

/**
 * One subscription's messages in order, each once, whatever order and however often they come in.
 *
 * A message is applied if it is the next one, and only then does the position move; what comes before its time is held.
 * Of a channel the next one is that with the next offset, or a resync; of a live result any that is newer, and of those
 * applied only the newest waits to be taken. A patch comes before its time while another value is there than it is
 * for, and if something else comes out than should it is as good as missing. What stays missing is had by subscribing
 * anew since the position.
 */
class Feed {
  value = null;
  failure = null;
  error = null;
  isSubscribed = false;
  isFull = false;
  /** The message that is applied once its data has been read, or made by its patch. */
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
    /** Called when there may be something to take. */
    this.changed = () => {};
    /** Called with who comes and goes. */
    this.told = (/** @type {any} */ _presence) => {};
    // Where it comes from, which the client keeps: what `timer` is for is `plan`, "gap", "ask" or "read".
    this.link = this.exchange = this.timer = this.plan = this.reading = this.readingOf = null;
    this.askedAt = -Infinity;
    this.failures = this.reads = 0;
  }

  get taken() {
    return this.#queue.length ? this.#taken : this.position;
  }

  /** How many updates wait to be taken. */
  get waiting() {
    return this.#queue.length;
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

  /** The patch of `unread` makes something else: the value is to be asked for. */
  misfit() {
    this.unread = null;
    this.#hasDropped = true;
    this.#applyHeld();
  }

  /** Give up data that can't be had for now if there is a newer value; tell whether there is. */
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

  /** Whether a message is no patch, or one for the value that is there, or to it. */
  #fits({ patch, value }) {
    return !patch || patch.base === this.#etag || value.etag === this.#etag;
  }

  #applyOrRead(pushed) {
    const { value } = pushed;
    const isThere = pushed.patch && value.etag === this.#etag;
    if (value && !isThere && !isObject(value.error) && !isPlain(value)) this.unread = pushed;
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
 * once there is room; of a live result only the newest waits. Leaving the loop unsubscribes. It dispatches `change`, as
 * `changed()` waits for, and where the topic has it `presence`, whose `detail` says who else has come and gone.
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

  /** Whether it holds at the moment; if not, what is new is had once there is a connection again. */
  get holds() {
    return this.#feed.link !== null;
  }

  /** Wait until there may be something new, or `holds` or `failure` has changed. */
  async changed() {
    await this.#woken.promise;
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
    this.dispatchEvent(new Event("change"));
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
  replaceAt = Infinity;
  drainUntil = Infinity;
  helloAt = Infinity;
  hellos = 0;
  timer = null;
  /** The pings that are out: when, and for whom; null for the keep-alive's. */
  pings = [];

  constructor(socket, id, now) {
    this.socket = socket;
    this.id = id;
    this.openedAt = this.sentAt = now;
  }

  /** Take the oldest ping that may still be answered. Pongs carry no id: if one got lost, later ones must still fit. */
  takePing(now, patience) {
    for (let ping; (ping = this.pings.shift()); ) if (now - ping.at <= patience) return ping;
    return null;
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

/** A token, or what a function gives for one. */
async function readToken(token) {
  if (typeof token !== "function") return token;
  try {
    return await token();
  } catch (cause) {
    if (cause instanceof PushasideError) throw cause;
    throw new PushasideError("unreachable", `There is no token: ${cause}`, { cause });
  }
}

const hexOfRandom = (bytes) => hexOf(crypto.getRandomValues(new Uint8Array(bytes)));

/** A connection to the service that mends itself; made by `connect`. It dispatches `statechange`. */
export class Client extends EventTarget {
  /** @type {import("./pushaside.d.ts").State} */
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
  #fetches = 0;
  /** Those who wait to follow a link. @type {(() => void)[]} */
  #turns = [];
  #gone = withResolvers();
  /** Find out at once whether the connection lives: the network has changed, or the machine may have slept. */
  #awake = () => {
    if (globalThis.document?.visibilityState === "hidden") return;
    if (this.#connecting?.timer) this.#begin(this.#backoff(0), true);
    for (const link of [...this.#links]) if (link.pingedAt === null) this.#ping(link);
  };

  /** @param {string | (() => string | Promise<string>)} url @param {Options} options */
  constructor(url, options = {}) {
    super();
    this.#url = url;
    this.#options = withDefaults(options);
    this.#clock = this.#options.clock;
    const readsGzip = typeof DecompressionStream === "function" && this.#options.acceptGzip !== false;
    this.#accept = readsGzip ? ["gzip"] : [];
    this.#opened.promise.catch(() => {});
  }

  /** `connecting`, `open`, `reconnecting` or `closed`. */
  get state() {
    return this.#state;
  }

  /** Whether it was closed, or has ended for good: it connects no more. */
  get isClosed() {
    return this.#ended !== null;
  }

  /** Wait until it is closed, or has ended for good. It does not end by losing its connection. */
  async waitClosed() {
    await this.#gone.promise;
  }

  /** Connect; `connect` does it. */
  async open() {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    const sentence = "The client's signal was aborted.";
    const abort = () => this.#end(new PushasideError("closed", sentence, { cause: signal?.reason }));
    signal?.addEventListener("abort", abort, { once: true });
    globalThis.addEventListener?.("online", this.#awake);
    globalThis.document?.addEventListener("visibilitychange", this.#awake);
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
  async request(compute, params = {}, options = {}) {
    return this.#request(compute, params, options);
  }

  /**
   * Ask as `request` does, and iterate over what becomes of it: any number of `Progress`, and at last the `Result`.
   * What is taken late is not queued up: of each stage only the newest waits. Leaving the loop gives the request up.
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
    let woken = withResolvers();
    const queue = new Map();
    const watch = (progress) => {
      queue.set(`${progress.attempt} ${progress.stage}`, progress);
      woken.resolve();
    };
    let isOver = false;
    const result = this.#request(compute, params, { ...options, signal: leaving.signal }, watch);
    const over = () => {
      isOver = true;
      woken.resolve();
    };
    result.then(over, over);
    try {
      for (;;) {
        for (const [name, progress] of queue) {
          queue.delete(name);
          yield progress;
        }
        if (isOver && !queue.size) break;
        await woken.promise;
        woken = withResolvers();
      }
      yield await result;
    } finally {
      signal?.removeEventListener("abort", abort);
      leaving.abort();
    }
  }

  /** @param {string} compute @param {object} params @param {RequestOptions} options */
  async #request(compute, params, options, watch = (/** @type {Progress} */ _progress) => {}) {
    const { deadline = 30, maxAge, signal } = options;
    if (maxAge != null && !isNumber(maxAge)) throw new RangeError("maxAge is a number of seconds, 0 or more.");
    const json = writeJson(params, "params");
    const accept = this.#accept.length ? this.#accept : undefined;
    const write = (id, left) => {
      const times = { deadline_ms: Math.max(1, Math.round(left * 1000)), max_age: maxAge };
      return writeMessage({ action: "request", id, compute, ...times, accept }, "params", json);
    };
    const began = this.#now;
    const tell = (outcome, cache) => this.#tell("requestDone", compute, outcome, cache, this.#now - began);
    try {
      const result = await this.#question("result", write, deadline, signal, (progress) => {
        if (progress.stage === "sent" && progress.attempt > 1) this.#tell("askedAgain", compute, progress.attempt);
        watch(progress);
      });
      tell("result", result.cache);
      return result;
    } catch (error) {
      tell(error instanceof PushasideError ? error.code : "cancelled", null);
      throw error;
    }
  }

  /**
   * Measure the round trip to the service, in seconds.
   * @param {import("./pushaside.d.ts").AskOptions} options
   * @returns {Promise<number>}
   */
  async ping({ deadline = 10, signal } = {}) {
    return this.#question("pong", () => PING, deadline, signal);
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
    const { topic, compute, since, signal, patches } = subject;
    if ((topic === undefined) === (compute === undefined))
      throw new TypeError("Either a topic or a compute is subscribed to.");
    const position = since == null ? null : parsePosition(since);
    if (since != null && !position) throw new TypeError(`${since} is no position such as the service gives.`);
    signal?.throwIfAborted();
    this.#checkOpen();
    const params = compute === undefined ? undefined : writeJson(subject.params ?? {}, "params");
    const limit = this.#options.maxQueuedUpdates;
    const feed = new Feed({ topic, compute, params, since: position, limit, patches });
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

  /** Call a hook; whatever it throws is the caller's own, and stops nothing here. */
  #tell(name, ...what) {
    try {
      this.#options.metrics?.[name]?.(...what);
    } catch (error) {
      this.#log("warn", `the metrics' ${name} failed:`, error);
    }
  }

  #setState(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new Event("statechange"));
  }

  // Exchanges: what is asked and not settled

  async #question(kind, write, deadline, signal, watch = null) {
    if (!(deadline > 0 && deadline < Infinity)) throw new RangeError("deadline is a number of seconds, more than 0.");
    signal?.throwIfAborted();
    const { promise, resolve, reject } = withResolvers();
    const exchange = this.#add(kind, write, deadline, resolve, reject, watch);
    const abort = () => {
      this.#remove(exchange);
      reject(signal.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  }

  /** Ask something; `kind` is the type of its answer, `write` gives the message from an id and the seconds left. */
  #add(kind, write, seconds, resolve, reject, watch = null) {
    this.#checkOpen();
    const id = this.#newId();
    this.#checkSize(write(id, seconds));
    const deadlineAt = this.#now + seconds;
    const counts = { attempts: 0, silences: 0, retries: 0, reads: 0, trouble: "" };
    const where = { link: null, timer: null, reading: null, deadlineTimer: null, isAccepted: false };
    const exchange = { id, kind, write, seconds, deadlineAt, resolve, reject, watch, ...counts, ...where };
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
    if (exchange.kind === "pong") return this.#ping(link, exchange);
    this.#send(link, exchange.write(exchange.id, exchange.deadlineAt - this.#now));
    exchange.attempts += 1;
    this.#progress(exchange, "sent");
  }

  #progress({ watch, attempts: attempt }, stage, received = 0, expected = null) {
    const unit = stage === "fetching" ? "bytes" : "pieces";
    const share = expected ? Math.min(1, received / expected) : null;
    watch?.(Object.freeze({ stage, attempt, received, expected, unit, share }));
  }

  #accepted(exchange) {
    if (exchange.isAccepted) return;
    exchange.isAccepted = true;
    this.#progress(exchange, "accepted");
  }

  #waitForAnswer(exchange) {
    const { reaskSeconds, reaskCapSeconds } = this.#options;
    this.#stop(exchange.timer);
    exchange.timer = this.#after(this.#growing(exchange.silences, reaskSeconds, reaskCapSeconds), () => {
      exchange.timer = null;
      if (exchange.kind === "pong") return; // it is not asked again, for its deadline is soon
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
    const tell = (received, expected) => {
      if (exchange.reading === reading) this.#progress(exchange, "fetching", received, expected);
    };
    this.#read(message, reading, tell).then(
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

  async #read(message, reading, tell = () => {}) {
    const { maxResultBytes, fetchTimeoutSeconds, fetch } = this.#options;
    if ("data" in message) return decodeData(message.data, message.encoding, maxResultBytes);
    return this.#inTurn(async () => {
      const timer = this.#after(fetchTimeoutSeconds, () => reading.abort());
      try {
        return await fetchData(message.url, message.etag, maxResultBytes, reading.signal, fetch, tell);
      } finally {
        this.#stop(timer);
      }
    });
  }

  /** Do something that only so many do at once; who is done hands his place on. */
  async #inTurn(work) {
    if (this.#fetches < this.#options.maxFetches) this.#fetches += 1;
    else await new Promise((resolve) => this.#turns.push(() => resolve(undefined)));
    try {
      return await work();
    } finally {
      const next = this.#turns.shift();
      if (next) next();
      else this.#fetches -= 1;
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
    const { WebSocket, token, openTimeoutSeconds } = this.#options;
    const began = this.#now;
    try {
      const url = typeof this.#url === "function" ? await this.#url() : this.#url;
      const bearer = await readToken(token);
      if (this.#ended) return;
      attempt.socket = makeSocket(WebSocket, url, bearer);
    } catch (cause) {
      if (cause instanceof PushasideError) throw cause;
      const retryable = cause?.name !== "SyntaxError";
      throw new PushasideError("unreachable", `A connection cannot be begun: ${cause}`, { cause, retryable });
    }
    const { socket } = attempt;
    await new Promise((resolve, reject) => {
      const fail = (/** @type {string} */ why) => {
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
        this.#tell("connected", this.#now - began);
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
    socket.onclose = ({ code, reason }) => {
      // 1006 stands for a connection that ended without saying so (RFC 6455, 7.4.1).
      this.#lose(link, code === 1006 ? null : code, reason || "The connection was lost.");
    };
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
  #lose(link, code = 1000, why = "The client closed the connection.") {
    if (!this.#links.delete(link)) return;
    link.socket.onmessage = link.socket.onclose = null;
    link.socket.close();
    this.#tell("disconnected", code, why);
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
    this.#gone.resolve(undefined);
    globalThis.removeEventListener?.("online", this.#awake);
    globalThis.document?.removeEventListener("visibilitychange", this.#awake);
    this.#setState("closed");
  }

  /** Do what is due for a connection, and come back when something is next. */
  #attend(link) {
    this.#stop(link.timer);
    if (!this.#links.has(link)) return;
    const { pongTimeoutSeconds, maxRetries } = this.#options;
    const now = this.#now;
    if (link.isOver || now >= link.drainUntil) return this.#lose(link, 1000, "Another connection has taken its place.");
    if (link.pingedAt !== null && now >= link.pingedAt + pongTimeoutSeconds)
      return this.#lose(link, null, "Nothing came on the connection, not even an answer to a ping.");
    if (now >= link.helloAt) {
      link.helloAt = Infinity;
      if (link.hellos <= maxRetries) this.#greet(link);
    }
    if (link.pingedAt === null && now >= this.#keepaliveAt(link)) this.#sendPing(link);
    if (now >= link.replaceAt) {
      link.replaceAt = Infinity;
      this.#begin(0);
    }
    const silentAt = link.pingedAt === null ? this.#keepaliveAt(link) : link.pingedAt + pongTimeoutSeconds;
    const nextAt = Math.min(silentAt, link.replaceAt, link.drainUntil, link.helloAt);
    link.timer = this.#after(nextAt - now, () => this.#attend(link));
  }

  /** When a ping must go out. Where subscriptions hold, what is sent says nothing of whether the connection lives. */
  #keepaliveAt({ openedAt, sentAt, heardAt, feeds }) {
    const { keepaliveSeconds, subscribedKeepaliveSeconds } = this.#options;
    const heard = Math.max(openedAt, heardAt ?? 0);
    const idleAt = Math.max(heard, sentAt) + keepaliveSeconds;
    return feeds.size ? Math.min(idleAt, heard + subscribedKeepaliveSeconds) : idleAt;
  }

  #ping(link, exchange = null) {
    this.#sendPing(link, exchange);
    this.#attend(link);
  }

  #sendPing(link, exchange = null) {
    this.#send(link, PING);
    link.pings.push({ at: link.sentAt, exchange });
    link.pingedAt ??= link.sentAt;
  }

  #takePing(link) {
    return link.takePing(this.#now, this.#options.pongTimeoutSeconds);
  }

  #greet(link) {
    const { reaskSeconds, reaskCapSeconds } = this.#options;
    link.helloAt = this.#now + this.#growing(link.hellos++, reaskSeconds, reaskCapSeconds);
    this.#send(link, JSON.stringify({ action: "hello", id: link.id, session: this.#session, accept: this.#accept }));
  }

  // What comes

  #received(link, text) {
    link.heardAt = this.#now;
    link.pingedAt = null;
    this.#failures = 0;
    const message = parseObject(text);
    if (message) this.#handle(link, message);
    else this.#log("debug", "ignored what is not a JSON object");
    if (this.#links.size > 1) for (const each of [...this.#links]) if (each.isOver) this.#attend(each);
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
        if (exchange) this.#accepted(exchange);
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
      case "presence":
        this.#takePresence(readPresence(message));
        break;
      case "pong": {
        const ping = this.#takePing(link);
        if (this.#exchanges.has(ping?.exchange?.id)) this.#resolve(ping.exchange, this.#now - ping.at);
        break;
      }
      case undefined:
        if (typeof message.message === "string") this.#takeFault(link, message.message);
        break;
      default: // what a newer service says
    }
  }

  #takePiece(link, exchange, { id, of, index, count, data }) {
    const { maxUnfinishedBytes, maxUnfinishedResults } = this.#options;
    const areWhole = Number.isInteger(index) && Number.isInteger(count);
    if (!areWhole || index < 0 || index >= count || count > MOST_PIECES || typeof data !== "string")
      return this.#reject(exchange, new PushasideError("unreadable", "A piece of the result came that is none."));
    this.#accepted(exchange);
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
    this.#progress(exchange, "receiving", count - unfinished.missing, count);
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
    if (message.id === undefined) exchange = this.#takePing(link)?.exchange; // all else that is asked has an id
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
    const suspects = [...link.exchanges].filter((each) => !each.isAccepted && each.kind !== "pong");
    if (sentence === "Forbidden") {
      // No route takes a message, and asking again does not help. An unanswered hello or ping may be it.
      const error = new PushasideError("forbidden", "There is no route for the message.");
      const ping = link.helloAt < Infinity ? null : this.#takePing(link);
      if (link.helloAt < Infinity) link.helloAt = Infinity;
      else if (ping?.exchange) this.#reject(ping.exchange, error);
      else if (!ping) for (const each of suspects) this.#reject(each, error);
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
    const read = feed.patches ? [...this.#accept, "patch"] : this.#accept;
    const accept = read.length ? read : undefined;
    const fields = { action: "subscribe", id, ...feed.subject, since: feed.position?.text, accept };
    return feed.isLive ? writeMessage(fields, "params", feed.params) : JSON.stringify(fields);
  }

  #take(feed) {
    const update = feed.take();
    if (update) this.#tell("updateTaken", update.topic, feed.waiting);
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

  #takePresence(presence) {
    for (const feed of [...(this.#byTopic.get(presence.topic) ?? [])]) feed.told(presence);
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
    const { patch, value, topic } = feed.unread;
    const data = patch ? applyPatch(feed.value, patch) : this.#read(value, reading);
    data.then(
      (data) => {
        if (feed.reading !== reading) return;
        feed.read(data);
        this.#follow(feed);
      },
      (error) => {
        if (feed.reading !== reading) return;
        if (!patch) return this.#readForFailed(feed, error);
        this.#log("warn", `a patch of ${topic} does not fit, so the value is asked for:`, error);
        feed.misfit();
        this.#follow(feed);
      },
    );
  }

  #readForFailed(feed, error) {
    const { fetchAttempts, backoffBaseSeconds, backoffCapSeconds } = this.#options;
    const wait = (attempt) => this.#growing(attempt, backoffBaseSeconds, backoffCapSeconds);
    if (feed.skipUnread()) this.#follow(feed);
    else if (!error.retryable) {
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
    const held = feed.link !== null;
    feed.link?.feeds.delete(feed);
    feed.link = link;
    link?.feeds.add(feed);
    if (link?.feeds.size === 1) this.#attend(link);
    if (held !== (link !== null)) feed.changed();
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
 * `token` is shown to the service; a function that gives one is called before every attempt. `url` may be a function
 * too, which gives the URL of each attempt, with a fresh ticket for example. Aborting `signal` closes the client.
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
 * Give a newly opened client for each turn of the loop; that of the turn before is closed first.
 *
 *     for await (const client of connections("wss://push.example.com/v1", { token })) {
 *       show(client);
 *       await client.waitClosed();
 *     }
 *
 * A client mends losses of its connection by itself. It ends for good if the service says so, or after
 * `reconnectAttempts`. Between clients that could not be opened, or ended early, there are waits of full jitter.
 * Aborting `signal` ends the loop; an error that will not pass by itself is thrown.
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

/** Wait, or until the signal is aborted. */
async function pause(clock, ms, signal) {
  if (signal?.aborted) return;
  const { promise, resolve } = withResolvers();
  const timer = clock.setTimeout(resolve, ms);
  signal?.addEventListener("abort", resolve, { once: true });
  await promise;
  clock.clearTimeout(timer);
  signal?.removeEventListener("abort", resolve);
}

// The same results by HTTP

const LONGEST_WAIT_SECONDS = 20; // API Gateway gives up on an integration after 30
/** Statuses after which the same may succeed: Request Timeout, Too Early, Too Many Requests, server errors. */
const isToTryAgain = (status) => status === 408 || status === 425 || status === 429 || status >= 500;
/** What a status means if the body says nothing: an authorizer or a proxy may have answered. */
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

/** The seconds of a header such as `Retry-After` or `Age` in ms; dates and nonsense count as not said. */
const readMs = (value) => (/^[0-9]+$/.test(value ?? "") ? Number(value) * 1000 : undefined);

/** Make the error that an answer tells of: a problem document (RFC 9457), or none. */
function errorFromAnswer({ status, headers }, fields) {
  const sentence = fields?.detail ?? fields?.message ?? `The service answered with status ${status}.`;
  const retryAfterMs = fields?.retry_after_ms ?? readMs(headers.get("retry-after"));
  const code = textOr(fields?.code, CODES[status]);
  if (code) return errorFromWire({ ...fields, code, message: sentence, retry_after_ms: retryAfterMs });
  return new PushasideError("unreachable", sentence, { status, retryAfterMs, retryable: isToTryAgain(status) });
}

/** A time by which all is to be done, and the caller's signal, as one signal; `end` lets go of both. */
class Limit {
  #controller = new AbortController();
  #clock;
  #endsAt;
  #timer;
  #given;
  #abort = () => this.#controller.abort(this.#given.reason);

  constructor(clock, seconds, given, sentence = `There was no answer within ${seconds} s.`, code = "timeout") {
    if (!(seconds > 0 && seconds < Infinity)) throw new RangeError("deadline is a number of seconds, more than 0.");
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
 * Asks by HTTP: it needs no connection to be open, and what `submit` has returned for will not be lost.
 *
 *     const client = new HttpClient("http://127.0.0.1:8080/");
 *     const { id } = await client.submit("documents", { collection: "airports", ids: ["TX"] });
 *     const { data } = await client.wait(id);
 *
 * What is busy or gets lost on the way is tried again, a bounded number of times and not past the deadline; if nothing
 * is there at all, the first call fails at once.
 */
export class HttpClient {
  #url;
  #options;
  #wasReached = false;

  /** @param {string} url @param {import("./pushaside.d.ts").HttpOptions} options */
  constructor(url, options = {}) {
    if (!/^https?:\/\//i.test(url)) throw new TypeError(`${url} is not an HTTP URL such as http://127.0.0.1:8080/.`);
    this.#url = `${url.replace(/\/+$/, "")}/`;
    this.#options = withDefaults(options);
  }

  /**
   * Hand a request over; once this resolves, the service will not lose it. `deliver` says where the result goes: it
   * waits to be polled if nothing is said. The same `id` is the same request, and one is made if none is given.
   * `requestDeadline` is how many seconds the service may take, `deadline` how many handing it over may take.
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
   * See what has become of a request; `wait` up to so many seconds, at most 25, for it to be settled.
   * @param {string} id
   * @param {import("./pushaside.d.ts").LookOptions} options
   * @returns {Promise<RequestState>}
   */
  async look(id, { wait = 0, ...options } = {}) {
    return this.#within(options, (limit) => this.#look(id, wait, limit));
  }

  /**
   * Wait until a request is settled; rejected with its error if it has failed.
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
   * Get a result as a resource that caches on the way may answer. With `known`, one that was had before and is returned
   * if it still holds, the data is sent only if it is another.
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
   * Get the secrets that this caller's webhooks are signed with, the current one first. They are not for pages.
   * @param {import("./pushaside.d.ts").AskOptions} options
   * @returns {Promise<readonly string[]>}
   */
  async webhookSecrets(options = {}) {
    return this.#within(options, async (limit) => {
      const { fields } = await this.#ask("webhooks/keys", limit, {});
      if (!Array.isArray(fields.secrets)) throw new PushasideError("unreadable", "The service told no secrets.");
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

  /** Ask by long polls until something is found; one that waited has left the service alone for long enough. */
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
        // A link's time may have run out: the next answer has another.
        if (!failure.retryable || limit.signal.aborted || reads >= this.#options.fetchAttempts) throw failure;
      }
    }
  }

  async #readOutcome(id, message, limit) {
    const { maxResultBytes, fetch } = this.#options;
    if (!isObject(message)) throw new PushasideError("unreadable", "What is said to be done comes without its result.");
    const result = { id, ...message };
    if (isPlain(message)) return toResult(result, message.data);
    if ("data" in message) return toResult(result, await decodeData(message.data, message.encoding, maxResultBytes));
    const read = (bound) => fetchData(message.url, message.etag, maxResultBytes, bound.signal, fetch);
    return toResult(result, await this.#bounded(limit, 0, read));
  }

  /** Call until there is an answer that is no error; errors that may pass are waited out. */
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

  /** Do one call, which may take as long as a fetch may and so many seconds more. */
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
      // Links are followed by the platform, which then leaves the token out.
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

/** Read a resource; the answer that led to it by a link, which had its etag, is not shown to pages. */
async function readResource({ response, bytes, text }) {
  const said = response.headers.get("etag")?.replace(/^W\//, "").replaceAll('"', "") ?? "";
  const etag = !response.redirected ? said : canHash() ? await hashOf(bytes) : "";
  try {
    return { data: JSON.parse(text), etag };
  } catch (cause) {
    throw new PushasideError("unreadable", `The result came damaged: ${cause}`, { cause });
  }
}
