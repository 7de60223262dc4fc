import { traitsOf } from "../../methods/method-traits.ts";
import type { MethodTraits } from "../../methods/method-traits.ts";

import type { CallQueue } from "./call-queue.ts";
import type { Connection } from "../connection/connection.ts";
import type { CallOptions } from "./pending-call.ts";
import type { PendingCalls } from "./pending-calls.ts";
import type { Place } from "./publish.ts";
import type { Publisher } from "./publisher.ts";

/** The parts of a client that a call passes. */
type Queues = {
  readonly pendingCalls: PendingCalls;
  readonly connection: Connection;
  readonly calls: CallQueue;
  readonly publisher: Publisher;
};

/** What applies to a call whose params or options do not say otherwise. */
export type CallDefaults = {
  /** The stream of calls that name none, as the URL's path says; empty when it names none. */
  readonly stream: string;
  /** How long a call may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How long a publish may take, in milliseconds. */
  readonly publishTimeoutMs: number;
};

/** Marks a call as part of a task, with the place that the task holds for it among the publishes of a stream. */
type Part = { readonly place?: Place | undefined };

/** Makes the calls of a client: gives each its deadline, connects when needed, and queues it for the socket. */
export class Caller {
  readonly #queues: Queues;
  readonly #defaults: CallDefaults;

  constructor(queues: Queues, defaults: CallDefaults) {
    this.#queues = queues;
    this.#defaults = defaults;
  }

  /**
   * Calls a method.
   *
   * @param part Given when it is part of a task: such calls are still taken while the client closes.
   */
  call(
    method: string,
    { params = {}, options = {} }: { params?: object | undefined; options?: CallOptions | undefined },
    part?: Part,
  ): Promise<object> {
    try {
      return this.#begin(method, params, options, part);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Takes the next place among the publishes of a stream: the one in the params, or that of the URL. */
  hold({ stream = this.#defaults.stream }: { readonly stream?: unknown }): Place {
    return this.#queues.publisher.hold(String(stream));
  }

  /** Lets those behind a place pass; nothing once it is filled. */
  leave(place: Place): void {
    this.#queues.publisher.leave(place);
  }

  #begin(method: string, params: object, options: CallOptions, part: Part | undefined): Promise<object> {
    // An unknown method is not repeated, as it may change something.
    const { gathered, reads }: Partial<MethodTraits> = traitsOf(method) ?? {};
    const isPublish = gathered === "publish";
    const { signal, timeoutMs = isPublish ? this.#defaults.publishTimeoutMs : this.#defaults.timeoutMs } = options;
    const kind = reads === true ? "reads" : "changes";
    const call = this.#queues.pendingCalls.add({ method, params, kind, isPart: part !== undefined, signal, timeoutMs });
    this.#queues.connection.open();
    if (isPublish) {
      this.#queues.publisher.fill(part?.place ?? this.hold(params), call, messagesOf(params));
    } else {
      this.#queues.calls.call(call);
    }
    return call.promise;
  }
}

/** How many messages the client numbers; 0 when the caller gives them an id or a producer of its own. */
function messagesOf(params: {
  readonly id?: unknown;
  readonly producer?: unknown;
  readonly messages?: unknown;
}): number {
  if (params.id !== undefined || params.producer !== undefined) {
    return 0;
  }
  return Array.isArray(params.messages) ? params.messages.length : 1;
}
