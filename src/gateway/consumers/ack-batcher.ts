import { RpcError } from "../../../rpc/index.ts";
import { sizeOf } from "../../internal/consumer-calls.ts";
import type { AckCommand } from "../../internal/consumer-calls.ts";
import type { Seen, StreamEnd } from "../../internal/epoch.ts";
import { asOutcome, isOverloaded } from "../../platform/call-object.ts";
import { Batcher } from "../../platform/scheduling/batcher.ts";
import type { BatcherHost } from "../../platform/scheduling/batcher.ts";

/** Commands of one call, and their sequences: those of a single one may be as many. What follows waits until they are stored. */
const [CALL_COMMANDS, CALL_SEQUENCES] = [1_000, 10_000];
/** Sequences that may wait for one stream. */
const MAX_WAITING_SEQUENCES = 200_000;

/** One epoch of a stream. */
export type StreamEpoch = { readonly stream: string; readonly epoch: string };

/** The holders the stream does not know, or why its epoch is over; and the error of the first call, if it was repeated. */
type Reply = { unknown: string[] | StreamEnd; lost: RpcError | undefined };

/** What an ack batcher tells its owner. */
export type AckBatcherEvents = {
  /** Messages that were sent to a holder's subscription. */
  seenBy(holder: string): readonly Seen[];
  /** The stream has these messages that were sent to a holder's subscription. */
  onConfirmed(holder: string, seen: readonly Seen[]): void;
  /** These share no consumer any more. */
  onUnknown(holders: readonly string[]): void;
  /** That epoch of the stream is over. */
  onStreamEnded(over: StreamEpoch, reason: StreamEnd): void;
  onIdle(): void;
};

/** The ack commands of one gateway's clients to one epoch of a stream, in order, with as few commits as there can be. */
export class AckBatcher {
  readonly #env: Env;
  readonly #of: StreamEpoch;
  readonly #events: AckBatcherEvents;
  readonly #batcher: Batcher<AckCommand, Reply, undefined>;

  constructor(host: BatcherHost, of: StreamEpoch, events: AckBatcherEvents) {
    this.#env = host.env;
    this.#of = of;
    this.#events = events;
    this.#batcher = new Batcher({
      maxItems: CALL_COMMANDS,
      maxSize: CALL_SEQUENCES,
      host,
      // To apply a command twice is to apply it once.
      mayOverlap: true,
      call: (commands, dueAt) => this.#call(gathered(commands), dueAt),
      outcomes: (commands, reply) => this.#outcomes(commands, reply),
      onIdle: () => events.onIdle(),
    });
  }

  /**
   * Done when the stream has stored it, or failed within the request deadline.
   *
   * @throws RpcError NotFound when the subscription shares no consumer any more, Busy when too much waits,
   *   OutcomeUnknown or Unavailable when the stream does not answer.
   */
  add(command: AckCommand): Promise<void> {
    const size = sizeOf(command);
    if (this.#batcher.waitingSize + size > MAX_WAITING_SEQUENCES) {
      return Promise.reject(new RpcError("Busy", "too much waits for the stream", { limit: MAX_WAITING_SEQUENCES }));
    }
    return this.#batcher.add(command, size);
  }

  #outcomes(commands: readonly AckCommand[], { unknown, lost }: Reply): (RpcError | undefined)[] {
    if (typeof unknown === "string") {
      this.#events.onStreamEnded(this.#of, unknown);
    } else if (unknown.length > 0) {
      this.#events.onUnknown(unknown);
    }
    const isKnown = (holder: string) => typeof unknown !== "string" && !unknown.includes(holder);
    return commands.map(({ holder }) =>
      // The lost call may have stored the command and released its holder.
      isKnown(holder) ? undefined : (lost ?? new RpcError("NotFound", "the consumer is deleted", { what: "consumer" })),
    );
  }

  /**
   * Asks once more when the first call was lost, if there is time and the stream is not overloaded. Should that fail
   * too, in whatever way, the first one may still have been stored.
   */
  async #call(commands: AckCommand[], dueAt: number): Promise<Reply> {
    const { stream, epoch } = this.#of;
    const seenBy = new Map(commands.map(({ holder }) => [holder, [...this.#events.seenBy(holder)]]));
    const seen = distinct([...seenBy.values()].flat());
    const call = async () => this.#env.STREAM.getByName(stream).applyAcks(epoch, commands, seen);
    let lost: RpcError | undefined;
    try {
      const unknown = await call();
      if (typeof unknown !== "string") {
        seenBy.forEach((messages, holder) => this.#events.onConfirmed(holder, messages));
      }
      return { unknown, lost };
    } catch (error) {
      lost = asOutcome(error, "changes", { facts: { stream } });
      if (isOverloaded(error) || Date.now() >= dueAt) {
        throw lost;
      }
    }
    try {
      return { unknown: await call(), lost };
    } catch {
      // Safe: what it says of the second call does not tell what became of the first.
      throw lost;
    }
  }
}

/**
 * The same with fewer commands: acks of one holder go as one, with all of their sequences, as long as nothing but acks is
 * between them. Most workers ack one message a frame, and an object in a call costs several times what a number does.
 */
function gathered(commands: readonly AckCommand[]): AckCommand[] {
  const fewer: AckCommand[] = [];
  /** Of each holder the sequences of its last ack, since the last other command. */
  const open = new Map<string, number[]>();
  for (const command of commands) {
    if (command.kind !== "ack") {
      open.clear();
      fewer.push(command);
      continue;
    }
    const { kind, holder } = command;
    const before = open.get(holder);
    if (before !== undefined) {
      before.push(...command.sequences);
      continue;
    }
    const sequences = [...command.sequences];
    open.set(holder, sequences);
    fewer.push({ kind, holder, sequences });
  }
  return fewer;
}

/** Each message once, whoever was sent it: of a sequence with several times, each of them. */
function distinct(seen: readonly Seen[]): Seen[] {
  return [...new Map(seen.map((one) => [`${one.sequence} ${one.publishedAt}`, one])).values()];
}
