/** The error codes. The last three come from the client only; `timeout` and `too_large` may come from either side. */
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
  /** Whether a retry can succeed. */
  readonly retryable: boolean;
  /** The time until a retry makes sense, if the service gave one. */
  readonly retryAfterMs?: number;
  /** The HTTP status of a failed link or call. */
  readonly status?: number;
}

export interface Result<T = any> {
  readonly id: string;
  /** The result's identity: the compute, its version and a hash of the params. */
  readonly key: string;
  /** Changes with the value. */
  readonly etag: string;
  readonly cache: "hit" | "stale" | "miss";
  /** The time since the result was computed. */
  readonly ageMs: number;
  readonly data: T;
}

export interface Update<T = any> {
  readonly topic: string;
  /** The update's position in the topic, to subscribe `since` later. */
  readonly position: string;
  readonly data: T;
  /** The etag of a live result's value; "" for channels. */
  readonly etag: string;
  /** Whether earlier updates are missing, and `data` replaces all of them. */
  readonly isResync: boolean;
}

export type Token = string | (() => string | undefined | Promise<string | undefined>);

/** The progress of a request. */
export interface Progress {
  /** The request is sent; the service has accepted it; pieces of the answer arrive; its data is fetched from a link. */
  readonly stage: "sent" | "accepted" | "receiving" | "fetching";
  /** The number of times the request was sent, from 1. */
  readonly attempt: number;
  /** The number of pieces or bytes that have arrived, as `unit` says. */
  readonly received: number;
  /** The number of pieces or bytes in all. Null if unknown, as it mostly is for links: their data is compressed. */
  readonly expected: number | null;
  readonly unit: "pieces" | "bytes";
  /** `received` divided by `expected`, from 0 to 1; null if `expected` is. */
  readonly share: number | null;
}

/** The subscribers that joined and left a topic. */
export interface Presence {
  readonly topic: string;
  /** The number of connections that are subscribed. */
  readonly count: number;
  /** The principals that joined, at most 200. */
  readonly joined: readonly string[];
  /** The principals that left, at most 200. */
  readonly left: readonly string[];
}

/** Hooks for metrics. The client logs an error that a hook throws, and goes on. */
export interface Metrics {
  /** A connection opened after `seconds`; called for the first one and for each replacement. */
  connected?(seconds: number): void;
  /** A connection ended; `code` is the close code (RFC 6455, 7.4), or null if it ended without one. */
  disconnected?(code: number | null, why: string): void;
  /** A request ended; `outcome` is "result", "cancelled" or an error code, and `cache` that of a result. */
  requestDone?(compute: string, outcome: string, cache: string | null, seconds: number): void;
  /** The caller took an update; `waiting` more updates of the subscription are queued. */
  updateTaken?(topic: string, waiting: number): void;
  /** A request was sent for the `attempt`th time, after silence, a lost connection or an error. */
  askedAgain?(compute: string, attempt: number): void;
}

/** The client's options. Settings in seconds and bytes mean the same as in the Python client. */
export interface Options {
  /**
   * The credential, sent as a subprotocol, and as a header where the platform can set one. A function is called before
   * every connection attempt; if it throws a `PushasideError` that is not retryable, the client closes.
   */
  token?: Token;
  /** Whether the service may send data as gzip in base64; the default is true where `DecompressionStream` exists. */
  acceptGzip?: boolean;
  /** Closes the client when aborted. */
  signal?: AbortSignal;
  /** The WebSocket class, for platforms without one such as Node 20: for example that of the package `ws`. */
  WebSocket?: new (url: string, protocols?: string | string[], options?: object) => any;
  fetch?: typeof fetch;
  metrics?: Metrics;
  /** A logger such as `console`; without one the client logs nothing. */
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
  /** Seconds without an incoming message, with subscriptions, after which the client pings. */
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
  /** Returns numbers in [0, 1) for jitter. */
  random?: () => number;
  /** The time in milliseconds and timers, for tests. */
  clock?: { now(): number; setTimeout(run: () => void, ms: number): unknown; clearTimeout(timer: any): void };
}

export interface AskOptions {
  /** The time in seconds until the call fails; 30 by default. */
  deadline?: number;
  /** Frees everything when aborted, and rejects the promise with its reason. */
  signal?: AbortSignal;
}

export interface RequestOptions extends AskOptions {
  /** The greatest age of a cached result in seconds; 0 recomputes it. */
  maxAge?: number;
}

export interface SubscribeOptions {
  /** A position from an earlier subscription: the updates after it arrive first, or a resync. */
  since?: string | null;
  /** Whether the service may send a live result's changes as patches; the updates are the same. */
  patches?: boolean;
  /** Closes the subscription when aborted. */
  signal?: AbortSignal;
}

/**
 * The computes of an application: `{ params: ...; result: ... }` by name. The file that `pushaside types` writes fills it.
 * While it is empty, every name and all params are permitted.
 */
export interface Computes {}

export type ComputeName = keyof Computes & string;
export type ParamsOf<N extends ComputeName> = Computes[N] extends { params: infer P extends object } ? P : object;
export type ResultOf<N extends ComputeName> = Computes[N] extends { result: infer R } ? R : any;

/** The name of a compute without types: any, or none as soon as `Computes` has one. */
export type UntypedName = [ComputeName] extends [never] ? string : never;

/** The arguments after the name of a compute; its params are optional if none of them is required. */
export type AskArguments<N extends ComputeName, O> = {} extends ParamsOf<N>
  ? [params?: ParamsOf<N>, options?: O]
  : [params: ParamsOf<N>, options?: O];

/** The live result of a compute with types. */
export type TypedSubject<N extends ComputeName> = { compute: N } & ({} extends ParamsOf<N>
  ? { params?: ParamsOf<N> }
  : { params: ParamsOf<N> });

export type Subject = { topic: string } | { compute: UntypedName; params?: object };

/** Dispatches `change` when `changed()` resolves, and `presence` where the topic has it. */
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
  /** The topic's name. A live result has none until the service confirms the subscription. */
  readonly topic: string | null;
  /** The position of the last update taken; null until the service confirms the subscription. */
  readonly position: string | null;
  /** The newest value of a live result, whether or not the caller has taken it. */
  readonly value: T | null;
  /** The error of a live result that cannot be computed now; `value` is then the last good one. Otherwise null. */
  readonly failure: PushasideError | null;
  /** Whether the subscription is active on a connection. If not, updates follow after the reconnect. */
  readonly holds: boolean;
  /** Wait until there may be an update, or until `holds` or `failure` changes. */
  changed(): Promise<void>;
  /** Wait until the service confirms the subscription. Rejects if the service refuses it. */
  ready(): Promise<this>;
  next(): Promise<IteratorResult<Update<T>, undefined>>;
  return(): Promise<IteratorResult<Update<T>, undefined>>;
  /** Unsubscribe, and end the loop over the updates. */
  close(): void;
  [Symbol.asyncIterator](): this;
}

export type State = "connecting" | "open" | "reconnecting" | "closed";

/** Dispatches `statechange`. */
export class Client extends EventTarget {
  constructor(url: string | (() => string | Promise<string>), options?: Options);
  readonly state: State;
  /** Whether the client is closed: it does not reconnect any more. */
  readonly isClosed: boolean;
  /** Wait until the client is closed. The loss of a connection does not close it. */
  waitClosed(): Promise<void>;
  /** Connect. Call it once; `connect` does it for you. */
  open(): Promise<void>;
  request<N extends ComputeName>(compute: N, ...rest: AskArguments<N, RequestOptions>): Promise<Result<ResultOf<N>>>;
  request<T = any>(compute: UntypedName, params?: object, options?: RequestOptions): Promise<Result<T>>;
  /** Request a result, and iterate over the request's progress and at last its result. */
  stream<N extends ComputeName>(
    compute: N,
    ...rest: AskArguments<N, RequestOptions>
  ): AsyncGenerator<Progress | Result<ResultOf<N>>, void, undefined>;
  stream<T = any>(
    compute: UntypedName,
    params?: object,
    options?: RequestOptions,
  ): AsyncGenerator<Progress | Result<T>, void, undefined>;
  /** Measure the round trip to the service, in seconds. The default deadline is 10. */
  ping(options?: AskOptions): Promise<number>;
  /** Publish a message to a channel, and resolve to its position there. */
  publish(topic: string, data: unknown, options?: AskOptions): Promise<string>;
  subscribe<N extends ComputeName>(
    subject: TypedSubject<N> & SubscribeOptions,
    options?: SubscribeOptions,
  ): Subscription<ResultOf<N>>;
  subscribe<T = any>(topic: string, options?: SubscribeOptions): Subscription<T>;
  subscribe<T = any>(subject: Subject & SubscribeOptions, options?: SubscribeOptions): Subscription<T>;
  /** Close the connection. Open requests fail with the code `closed`. */
  close(): void;
}

export function connect(url: string | (() => string | Promise<string>), options?: Options): Promise<Client>;

/** Yield a newly opened client for each turn of the loop, and close the client of the turn before. */
export function connections(
  url: string | (() => string | Promise<string>),
  options?: Options,
): AsyncGenerator<Client, void, undefined>;

/** The options that apply to HTTP. */
export type HttpOptions = Pick<
  Options,
  | "token" | "fetch" | "backoffBaseSeconds" | "backoffCapSeconds" | "maxRetries" | "maxResultBytes"
  | "fetchTimeoutSeconds" | "fetchAttempts" | "random" | "clock"
>;

/** The target of a result: kept for polling, posted to a URL, or published to an SNS topic. */
export type Deliver = { poll: true } | { webhook: string } | { sns: string };

export interface SubmitOptions extends AskOptions {
  deliver?: Deliver;
  /** The request's id. The same id means the same request; the default is a new one. */
  id?: string;
  /** The service's time for the result in seconds, at most 86400; 900 by default. */
  requestDeadline?: number;
  /** The greatest age of a cached result in seconds; 0 recomputes it. */
  maxAge?: number;
}

export interface LookOptions extends AskOptions {
  /** The seconds that the service waits for the outcome, at most 25. */
  wait?: number;
}

export interface ResultOptions<T = any> extends AskOptions {
  /** An earlier resource. The service confirms it if it is current, and then the client returns it. */
  known?: Resource<T>;
}

export interface ChangedOptions extends AskOptions {
  /** The results that the change reaches: of one tenant, shared ones, or those of every tenant and shared ones. */
  scope?: "tenant" | "shared" | "all";
  /** With the scope `tenant`: the tenant of the results; the caller's own by default. */
  tenant?: string;
}

/** A request that the service will not lose. */
export interface Accepted {
  readonly id: string;
  readonly status: "pending" | "done" | "failed" | (string & {});
}

export interface RequestState<T = any> extends Accepted {
  /** Null while it is pending. */
  readonly outcome: Result<T> | PushasideError | null;
  /** The state of the result's delivery, as the service reports it. */
  readonly delivery: { readonly [name: string]: any };
  /** The time until the next poll of a pending request makes sense, if the service gave one. */
  readonly retryAfterMs?: number;
}

/** The data of a result, as HTTP caches keep it. */
export interface Resource<T = any> {
  readonly data: T;
  /** The etag for revalidation; "" if the data came from a link and the page cannot hash it. */
  readonly etag: string;
  readonly ageMs: number;
}

/** A client for the HTTP API. It needs no open connection, and the service never loses a submitted request. */
export class HttpClient {
  constructor(url: string, options?: HttpOptions);
  /** Submit a request that the service will not lose. */
  submit<N extends ComputeName>(compute: N, ...rest: AskArguments<N, SubmitOptions>): Promise<Accepted>;
  submit(compute: UntypedName, params?: object, options?: SubmitOptions): Promise<Accepted>;
  /** Return the state of a request. */
  look<T = any>(id: string, options?: LookOptions): Promise<RequestState<T>>;
  /** Wait for a request's result. Rejects with the request's error if it failed. */
  wait<T = any>(id: string, options?: AskOptions): Promise<Result<T>>;
  /** Get a result as a resource that HTTP caches may answer. */
  result<N extends ComputeName>(
    compute: N,
    ...rest: AskArguments<N, ResultOptions<ResultOf<N>>>
  ): Promise<Resource<ResultOf<N>>>;
  result<T = any>(compute: UntypedName, params?: object, options?: ResultOptions<T>): Promise<Resource<T>>;
  /**
   * Say that the sources of tags changed; the change is durable once the promise resolves. Results with one of the tags
   * become stale, and subscribers receive the new ones.
   */
  changed(tags: Iterable<string>, options?: ChangedOptions): Promise<void>;
  /** Get the secrets that sign this caller's webhooks, the current one first. Never use them in a page. */
  webhookSecrets(options?: AskOptions): Promise<readonly string[]>;
}
