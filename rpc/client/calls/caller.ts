import { traitsOf } from "../../method-traits.ts";
import type { MethodTraits } from "../../method-traits.ts";

import type { Calls } from "./call-queue.ts";
import type { Connection } from "../connection/connection.ts";
import type { CallOptions } from "./pending-call.ts";
import type { PendingCalls } from "./pending-calls.ts";
import type { ResolvedOptions } from "../options.ts";
import type { HeldPlace } from "./publish-lane.ts";
import type { Publisher } from "./publisher.ts";

/** What a call goes through. */
type Queues = {
  readonly open: PendingCalls;
  readonly connection: Connection;
  readonly calls: Calls;
  readonly publisher: Publisher;
};

/** Of a call that is part of a work: the place that the work holds for it among the publishes of a stream. */
type Part = { readonly place?: HeldPlace | undefined };

/** Makes the calls of a client: opens each, within the time it has, and queues it for the socket there is or will be. */
export class Caller {
  readonly #queues: Queues;
  readonly #options: Pick<ResolvedOptions, "stream" | "timeoutMs" | "publishTimeoutMs">;

  constructor(queues: Queues, options: Pick<ResolvedOptions, "stream" | "timeoutMs" | "publishTimeoutMs">) {
    this.#queues = queues;
    this.#options = options;
  }

  /**
   * Calls a method.
   *
   * @param part Given when it is part of a work, which goes on while the client closes.
   */
  async call(
    method: string,
    { params = {}, options = {} }: { params?: object | undefined; options?: CallOptions | undefined },
    part?: Part,
  ): Promise<object> {
    // A method that is not known here may change something.
    const { gathered, reads }: Partial<MethodTraits> = traitsOf(method) ?? {};
    const isPublish = gathered === "publish";
    const timeoutMs = options.timeoutMs ?? (isPublish ? this.#options.publishTimeoutMs : this.#options.timeoutMs);
    const request = {
      method,
      params,
      kind: reads === true ? ("reads" as const) : ("changes" as const),
      isPart: part !== undefined,
    };
    const call = this.#queues.open.add(request, { ...options, timeoutMs });
    this.#queues.connection.open();
    if (isPublish) {
      (part?.place ?? this.hold(params)).fill(call, messagesOf(params));
    } else {
      this.#queues.calls.call(call);
    }
    return call.promise;
  }

  /** Takes the next place among the publishes of the stream that params name, or else the URL. */
  hold({ stream = this.#options.stream }: { readonly stream?: unknown }): HeldPlace {
    return this.#queues.publisher.hold(String(stream));
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
