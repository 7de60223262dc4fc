import { logError } from "../../platform/log.ts";
import type { Log } from "../log/log.ts";
import { TurnLoop } from "../scheduling/turns.ts";

import type { Consumer } from "./consumer.ts";
import { LogReader } from "./delivery/log-reader.ts";
import { countNewMessages } from "./new-messages.ts";
import { Effort, TURN_BYTES } from "./scan.ts";
import type { ScanSources } from "./scan.ts";

/** A count that nobody has asked for in so long is given up. */
const ASKED_MS = 30_000;

type CounterHost = {
  readonly ctx: DurableObjectState;
  readonly stream: { readonly name: string };
  readonly transactor: { change<T>(stream: string, nowMs: number, act: () => T): T };
  readonly log: Log;
};

/**
 * Counts the messages that consumers with a filter have before them, in turns: each is a transaction of its own, as it may
 * write to the index of subjects, and whatever has come meanwhile runs before the next one. The counts are in memory, so
 * an eviction ends them; the index stays, and makes the next one short.
 */
export class PendingCounter {
  readonly #host: CounterHost;
  readonly #consumers: { get(name: string): Consumer | undefined };
  readonly #isCurrent: () => boolean;
  readonly #reader: LogReader;
  /** The consumers to be counted, and when each was asked for last. */
  readonly #asked = new Map<Consumer, number>();
  readonly #turns: TurnLoop;

  /**
   * @param consumers Those of the stream now.
   * @param isCurrent False when the stream was loaded anew, and another one counts for it.
   */
  constructor(host: CounterHost, consumers: { get(name: string): Consumer | undefined }, isCurrent: () => boolean) {
    this.#host = host;
    this.#consumers = consumers;
    this.#isCurrent = isCurrent;
    this.#reader = new LogReader(host.log);
    this.#turns = new TurnLoop(
      host.ctx,
      () => this.#isCurrent() && this.#isLeft(),
      // Whoever asks next begins again.
      (error) => logError("the messages of a consumer could not be counted", error, { stream: host.stream.name }),
    );
  }

  /** What one turn of a scan reads. @param bytes How much at most. */
  sources(bytes: number = TURN_BYTES): ScanSources {
    return { log: this.#host.log, reader: this.#reader, effort: new Effort(bytes) };
  }

  /**
   * Counts as much as one turn may, and goes on later if that is not all. Also while it goes on: the turns that it waits for
   * do not come as long as requests do.
   */
  count(consumers: readonly Consumer[]): void {
    if (consumers.every((consumer) => consumer.uncounted(this.#host.log) === undefined) || this.#turn(consumers)) {
      return;
    }
    const nowMs = Date.now();
    consumers.forEach((consumer) => this.#asked.set(consumer, nowMs));
    this.#turns.start();
  }

  /** To be called before single messages are deleted. */
  forget(): void {
    this.#reader.forget();
  }

  #turn(consumers: readonly Consumer[]): boolean {
    const { transactor, stream } = this.#host;
    return transactor.change(stream.name, Date.now(), () => countNewMessages(consumers, this.sources()));
  }

  /** Counts for those that somebody still asks for. */
  #isLeft(): boolean {
    const isLeft = !this.#turn(this.#wanted());
    if (!isLeft) {
      this.#asked.clear();
    }
    return isLeft;
  }

  /** The consumers that somebody still asks for. */
  #wanted(): Consumer[] {
    const since = Date.now() - ASKED_MS;
    for (const [consumer, askedAt] of this.#asked) {
      if (askedAt < since || this.#consumers.get(consumer.name) !== consumer) {
        this.#asked.delete(consumer);
      }
    }
    return [...this.#asked.keys()];
  }
}
