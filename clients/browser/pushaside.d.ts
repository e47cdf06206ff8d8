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

/** Settings; those in seconds and bytes mean what they mean to the Python client. */
export interface Options {
  /** Shown to the service as subprotocol, and as header where headers can be set. */
  token?: string;
  /** Called before every attempt to connect. A `PushasideError` that is not retryable ends the client. */
  getToken?: () => string | Promise<string>;
  /** Whether the service may send data as gzip in base64; true where there is `DecompressionStream`. */
  acceptGzip?: boolean;
  /** Aborting it closes the client. */
  signal?: AbortSignal;
  /** Where there is none, as in Node 20, or in its place: the class of the package `ws`, for example. */
  WebSocket?: new (url: string, protocols?: string | string[], options?: object) => any;
  fetch?: typeof fetch;
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
  pongTimeoutSeconds?: number;
  maxConnectionSeconds?: number;
  drainSeconds?: number;
  maxResultBytes?: number;
  maxUnfinishedBytes?: number;
  maxUnfinishedResults?: number;
  fetchTimeoutSeconds?: number;
  fetchAttempts?: number;
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
  /** Aborting it closes the subscription. */
  signal?: AbortSignal;
}

export type Subject = { topic: string } | { compute: string; params?: object };

export class Subscription<T = any> implements AsyncIterableIterator<Update<T>> {
  private constructor();
  /** That of a live result is null until the subscription holds. */
  readonly topic: string | null;
  /** How far the updates go that were taken; null until the subscription holds. */
  readonly position: string | null;
  /** The newest value of a live result, taken or not. */
  readonly value: T | null;
  /** What a live result can't be computed for at the moment; `value` is then the last that could. */
  readonly failure: PushasideError | null;
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
  /** Connect, once; `connect` does it. */
  open(): Promise<void>;
  request<T = any>(compute: string, params?: object, options?: RequestOptions): Promise<Result<T>>;
  /** Resolves to the position of the message. */
  publish(topic: string, data: unknown, options?: AskOptions): Promise<string>;
  subscribe<T = any>(topic: string, options?: SubscribeOptions): Subscription<T>;
  subscribe<T = any>(subject: Subject & SubscribeOptions, options?: SubscribeOptions): Subscription<T>;
  /** What is unanswered fails with the code `closed`. */
  close(): void;
}

export function connect(url: string | (() => string | Promise<string>), options?: Options): Promise<Client>;
