import type { ReactElement, ReactNode } from "react";
import type {
  AskArguments, AskOptions, Client, ComputeName, Options, Presence, PushasideError, ResultOf, State, Token, UntypedName,
  Update,
} from "./pushaside.js";

interface ProviderProps {
  children?: ReactNode;
  /** Whether the service may send the changes of live results as patches; the default is true. */
  patches?: boolean;
  /** The time in seconds that a subscription outlives the last component that uses it; 5 by default. */
  unsubscribeAfterSeconds?: number;
}

/** A provider with a `url` makes a client and closes it. Another text as `url` or `token` makes another client. */
interface UrlProps extends ProviderProps {
  /** The WebSocket URL, or a function that returns one, for example with a ticket, before every connection attempt. */
  url: string | (() => string | Promise<string>);
  token?: Token;
  /** Further options of the client. They are read when the client is made. */
  options?: Omit<Options, "token">;
  client?: undefined;
}

/** A provider with a `client` neither opens nor closes it. */
interface ClientProps extends ProviderProps {
  client: Client;
  url?: undefined;
  token?: undefined;
  options?: undefined;
}

export type PushasideProviderProps = UrlProps | ClientProps;

export function PushasideProvider(props: PushasideProviderProps): ReactElement;

/** Return the provider's client, for requests and everything else that no hook does. */
export function useClient(): Client;

/** Return the state of the client's connection. */
export function useConnectionState(): State;

export interface ResultOptions<T = any> {
  /** Whether to ask for the result; true by default. */
  enabled?: boolean;
  /** Whether to subscribe to the result; true by default. If not, the hook requests the result once. */
  live?: boolean;
  /** The greatest age of a cached result in seconds, for results that are not live. */
  maxAge?: number;
  /** The data until the first result arrives, for example from a server that rendered the page. */
  initialData?: T;
}

export type Status = "idle" | "loading" | "ready" | "error";

export interface ResultState<T = any> {
  /** The newest value; undefined until there is one. It stays while `error` is set. Never change it in place. */
  readonly data: T | undefined;
  /** Why there is no newer value. It becomes null with the next value. */
  readonly error: PushasideError | null;
  /** `idle` if the hook is not enabled; `error` if there is an error, also beside earlier data. */
  readonly status: Status;
  /** Whether there is neither data nor an error yet. */
  readonly isLoading: boolean;
  /** Whether there may be a newer value: no connection, an error, initial data, or a stale answer. */
  readonly isStale: boolean;
  /** Whether a call of `refresh` is under way. */
  readonly isRefreshing: boolean;
  /**
   * The age of the data when it is read; null without a result. An update carries no time, so its age counts from its
   * arrival. Reading it does not render the component again.
   */
  readonly ageMs: number | null;
  /** Have the result computed now. The promise resolves when that is done, and never rejects: see `error`. */
  readonly refresh: () => Promise<void>;
}

/** Return the result of a compute, kept current while the component is mounted. */
export function useResult<N extends ComputeName>(
  compute: N,
  ...rest: AskArguments<N, ResultOptions<ResultOf<N>>>
): ResultState<ResultOf<N>>;
export function useResult<T = any>(compute: UntypedName, params?: object, options?: ResultOptions<T>): ResultState<T>;

export interface TopicOptions {
  /** Whether to subscribe; true by default. */
  enabled?: boolean;
  /** A position: the messages after it arrive first. It is read when the subscription is made. */
  since?: string | null;
  /** How many of the latest messages to return; 100 by default, at most 1000. */
  limit?: number;
}

export interface TopicState<T = any> {
  /** The latest messages since the subscription, oldest first. */
  readonly messages: readonly Update<T>[];
  /** The newest message, or null. */
  readonly latest: Update<T> | null;
  /** The last presence message of the topic, or null. */
  readonly presence: Presence | null;
  readonly error: PushasideError | null;
  readonly status: Status;
  /** Whether messages may be missing, because the connection is lost. They follow after the reconnect. */
  readonly isStale: boolean;
  /** Publish a message to the channel, and resolve to its position there. Rejects if that fails. */
  readonly publish: (data: unknown, options?: AskOptions) => Promise<string>;
  /** Subscribe again after an error that the client does not retry by itself. */
  readonly retry: () => Promise<void>;
}

/** Return the messages of a channel that arrive while the component is mounted, and a function to publish. */
export function useTopic<T = any>(topic: string, options?: TopicOptions): TopicState<T>;
