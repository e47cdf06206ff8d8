/** What goes wrong by the service's word, and by this client's own (the last three, and `timeout` and `too_large`). */
export type ErrorCode =
  | "invalid_json" | "invalid_message" | "unknown_action" | "unknown_compute" | "invalid_params" | "unauthorized"
  | "forbidden" | "not_found" | "too_large" | "rate_limited" | "compute_failed" | "source_throttled" | "timeout"
  | "internal" | "unreadable" | "unreachable" | "closed";

export interface ErrorDetails {
  retryable?: boolean;
  retryAfterMs?: number;
  cause?: unknown;
  status?: number;
}

export class PushasideError extends Error {
  constructor(code: ErrorCode | (string & {}), message: string, details?: ErrorDetails);
  readonly code: ErrorCode | (string & {});
  /** Whether the same can succeed later. */
  readonly retryable: boolean;
  /** When, if the service said so. */
  readonly retryAfterMs?: number;
  /** The HTTP status of a link that could not be followed. */
  readonly status?: number;
}

export interface Result<T = any> {
  readonly id: string;
  /** Names the result: the compute, its version and a hash of the params. */
  readonly key: string;
  /** Changes with the value. */
  readonly etag: string;
  readonly cache: "hit" | "stale" | "miss";
  /** The time since it was computed. */
  readonly ageMs: number;
  readonly data: T;
}

export interface Update<T = any> {
  readonly topic: string;
  /** Where the topic is with it, to subscribe `since` later. */
  readonly position: string;
  readonly data: T;
  /** Of a live result; "" for channels. */
  readonly etag: string;
  /** Something before it is missing, and `data` stands for all of it. */
  readonly isResync: boolean;
}

export type Token = string | (() => string | undefined | Promise<string | undefined>);

/** How far a request has come. */
export interface Progress {
  /** Sent; accepted by the service; the answer comes in pieces; it is a link, which is being followed. */
  readonly stage: "sent" | "accepted" | "receiving" | "fetching";
  /** How often it was sent, from 1. */
  readonly attempt: number;
  /** How many pieces or bytes are there, as `unit` says. */
  readonly received: number;
  /** Of how many; null while that is not known, which of bytes it rarely is: data behind links is compressed. */
  readonly expected: number | null;
  readonly unit: "pieces" | "bytes";
  /** `received` of `expected`, from 0 to 1; null if that is not known. */
  readonly share: number | null;
}

/** Who has come and gone, of those who subscribe to a topic. */
export interface Presence {
  readonly topic: string;
  /** How many connections are there. */
  readonly count: number;
  /** Principals, at most 200; so are those of `left`. */
  readonly joined: readonly string[];
  readonly left: readonly string[];
}

/** Hooks, called as things happen; what one throws is logged, and changes nothing else. */
export interface Metrics {
  /** A connection was opened, which took so long; the first one and each that replaces one. */
  connected?(seconds: number): void;
  /** A connection is over; `code` is the close code (RFC 6455, 7.4), null if it was just lost. */
  disconnected?(code: number | null, why: string): void;
  /** A request has ended; `outcome` is "result", "cancelled" or the code of an error, `cache` that of a result. */
  requestDone?(compute: string, outcome: string, cache: string | null, seconds: number): void;
  /** An update was taken from a subscription; so many more of it wait. */
  updateTaken?(topic: string, waiting: number): void;
  /** A request was sent once more, for the `attempt`th time, after silence, a loss or an error. */
  askedAgain?(compute: string, attempt: number): void;
}

/** Settings; those in seconds and bytes mean what they mean to the Python client. */
export interface Options {
  /**
   * Shown to the service as subprotocol, and as header where headers can be set. A function is called before every
   * attempt to connect; a `PushasideError` of its that is not retryable ends the client.
   */
  token?: Token;
  /** Whether the service may send data as gzip in base64; true where there is `DecompressionStream`. */
  acceptGzip?: boolean;
  /** Aborting it closes the client. */
  signal?: AbortSignal;
  /** Where there is none, as in Node 20, or in its place: the class of the package `ws`, for example. */
  WebSocket?: new (url: string, protocols?: string | string[], options?: object) => any;
  fetch?: typeof fetch;
  metrics?: Metrics;
  /** `console`, for example; nothing is logged without one. */
  logger?: { debug?(...what: unknown[]): void; info?(...what: unknown[]): void; warn?(...what: unknown[]): void };
  openTimeoutSeconds?: number;
  connectAttempts?: number;
  reconnectAttempts?: number;
  backoffBaseSeconds?: number;
  backoffCapSeconds?: number;
  reaskSeconds?: number;
  reaskCapSeconds?: number;
  maxRetries?: number;
  keepaliveSeconds?: number;
  /** Seconds in which nothing is heard, while there are subscriptions, after which a ping asks for a sign of life. */
  subscribedKeepaliveSeconds?: number;
  pongTimeoutSeconds?: number;
  maxConnectionSeconds?: number;
  drainSeconds?: number;
  maxResultBytes?: number;
  maxUnfinishedBytes?: number;
  maxUnfinishedResults?: number;
  fetchTimeoutSeconds?: number;
  fetchAttempts?: number;
  maxFetches?: number;
  gapSeconds?: number;
  maxQueuedUpdates?: number;
  /** Gives numbers in [0, 1) for jitter. */
  random?: () => number;
  /** The time in milliseconds and its timers, for tests. */
  clock?: { now(): number; setTimeout(run: () => void, ms: number): unknown; clearTimeout(timer: any): void };
}

export interface AskOptions {
  /** How many seconds it may take altogether, 30 if left out. */
  deadline?: number;
  /** Aborting it frees everything; the promise is rejected with its reason. */
  signal?: AbortSignal;
}

export interface RequestOptions extends AskOptions {
  /** How many seconds old the result may be; 0 has it computed anew. */
  maxAge?: number;
}

export interface SubscribeOptions {
  /** A position that was had before: what came after it comes first, or a resync. */
  since?: string | null;
  /** Of a live result: the service may send what changed rather than all of it, which makes no other difference. */
  patches?: boolean;
  /** Aborting it closes the subscription. */
  signal?: AbortSignal;
}

export type Subject = { topic: string } | { compute: string; params?: object };

/** Dispatches `change`, as `changed()` waits for, and `presence`, where the topic has it. */
export class Subscription<T = any> extends EventTarget implements AsyncIterableIterator<Update<T>> {
  private constructor();
  addEventListener(
    type: "presence",
    listener: ((event: CustomEvent<Presence>) => any) | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  /** That of a live result is null until the subscription holds. */
  readonly topic: string | null;
  /** How far the updates go that were taken; null until the subscription holds. */
  readonly position: string | null;
  /** The newest value of a live result, taken or not. */
  readonly value: T | null;
  /** What a live result can't be computed for at the moment; `value` is then the last that could. */
  readonly failure: PushasideError | null;
  /** Whether it holds at the moment; if not, what is new is had once there is a connection again. */
  readonly holds: boolean;
  /** Wait until there may be something new, or `holds` or `failure` has changed. */
  changed(): Promise<void>;
  /** Wait until it holds; rejected if it is refused. */
  ready(): Promise<this>;
  next(): Promise<IteratorResult<Update<T>, undefined>>;
  return(): Promise<IteratorResult<Update<T>, undefined>>;
  /** Unsubscribe; who iterates is at the end. */
  close(): void;
  [Symbol.asyncIterator](): this;
}

export type State = "connecting" | "open" | "reconnecting" | "closed";

/** Dispatches `statechange`. */
export class Client extends EventTarget {
  constructor(url: string | (() => string | Promise<string>), options?: Options);
  readonly state: State;
  /** Whether it was closed, or has ended for good: it connects no more. */
  readonly isClosed: boolean;
  /** Wait until it is closed, or has ended for good. It does not end by losing its connection. */
  waitClosed(): Promise<void>;
  /** Connect, once; `connect` does it. */
  open(): Promise<void>;
  request<T = any>(compute: string, params?: object, options?: RequestOptions): Promise<Result<T>>;
  /** Ask as `request` does, and iterate over what becomes of it, and at last the result. */
  stream<T = any>(
    compute: string,
    params?: object,
    options?: RequestOptions,
  ): AsyncGenerator<Progress | Result<T>, void, undefined>;
  /** Measure the round trip to the service, in seconds; it may take 10 if no deadline is given. */
  ping(options?: AskOptions): Promise<number>;
  /** Resolves to the position of the message. */
  publish(topic: string, data: unknown, options?: AskOptions): Promise<string>;
  subscribe<T = any>(topic: string, options?: SubscribeOptions): Subscription<T>;
  subscribe<T = any>(subject: Subject & SubscribeOptions, options?: SubscribeOptions): Subscription<T>;
  /** What is unanswered fails with the code `closed`. */
  close(): void;
}

export function connect(url: string | (() => string | Promise<string>), options?: Options): Promise<Client>;

/** Give a newly opened client for each turn of the loop; that of the turn before is closed first. */
export function connections(
  url: string | (() => string | Promise<string>),
  options?: Options,
): AsyncGenerator<Client, void, undefined>;

/** Those of the settings that concern HTTP. */
export type HttpOptions = Pick<
  Options,
  | "token" | "fetch" | "backoffBaseSeconds" | "backoffCapSeconds" | "maxRetries" | "maxResultBytes"
  | "fetchTimeoutSeconds" | "fetchAttempts" | "random" | "clock"
>;

/** Where the result of a request goes: it is kept to be asked for, posted to a URL, or published to an SNS topic. */
export type Deliver = { poll: true } | { webhook: string } | { sns: string };

export interface SubmitOptions extends AskOptions {
  deliver?: Deliver;
  /** The same id is the same request; one is made if none is given. */
  id?: string;
  /** How many seconds the service may take for the result, at most 86400; 900 if left out. */
  requestDeadline?: number;
  /** How many seconds old the result may be; 0 has it computed anew. */
  maxAge?: number;
}

export interface LookOptions extends AskOptions {
  /** Wait up to so many seconds, at most 25, for it to be settled. */
  wait?: number;
}

export interface ResultOptions<T = any> extends AskOptions {
  /** One that was had before, and is returned if it still holds. */
  known?: Resource<T>;
}

/** A request that the service will not lose. */
export interface Accepted {
  readonly id: string;
  readonly status: "pending" | "done" | "failed" | (string & {});
}

export interface RequestState<T = any> extends Accepted {
  /** Null while it is pending. */
  readonly outcome: Result<T> | PushasideError | null;
  /** How handing it over went, as the service tells it. */
  readonly delivery: { readonly [name: string]: any };
  /** How long a pending one asks to be left alone, if it said so. */
  readonly retryAfterMs?: number;
}

/** The data of a result by itself, as caches on the way keep it. */
export interface Resource<T = any> {
  readonly data: T;
  /** "" if it is behind a link and the page can't hash, so that it can't be asked for by it. */
  readonly etag: string;
  readonly ageMs: number;
}

/** Asks by HTTP: it needs no connection to be open, and what `submit` has returned for will not be lost. */
export class HttpClient {
  constructor(url: string, options?: HttpOptions);
  /** Hand a request over; once this resolves, the service will not lose it. */
  submit(compute: string, params?: object, options?: SubmitOptions): Promise<Accepted>;
  /** See what has become of a request. */
  look<T = any>(id: string, options?: LookOptions): Promise<RequestState<T>>;
  /** Wait until a request is settled; rejected with its error if it has failed. */
  wait<T = any>(id: string, options?: AskOptions): Promise<Result<T>>;
  /** Get a result as a resource that caches on the way may answer. */
  result<T = any>(compute: string, params?: object, options?: ResultOptions<T>): Promise<Resource<T>>;
  /** Get the secrets that this caller's webhooks are signed with, the current one first. They are not for pages. */
  webhookSecrets(options?: AskOptions): Promise<readonly string[]>;
}
