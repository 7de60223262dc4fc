import type { AckCommand } from "../../../internal/consumer-calls.ts";
import { TurnLoop } from "../../scheduling/turns.ts";
import { applyTurn } from "../acks/turn.ts";
import type { Consumer } from "../consumer.ts";

/** The end of a subscription of a consumer. */
export type Release = Extract<AckCommand, { kind: "release" }> & { readonly consumer: string };

/** The consumers of a stream, by name. */
type Consumers = { get(name: string): Consumer | undefined };

/** What releases use of their stream. */
type ReleasesHost = {
  readonly ctx: DurableObjectState;
  /** False when the stream was loaded anew, and another one releases for it. */
  readonly isCurrent: () => boolean;
  /** Is told why a turn has thrown. */
  readonly failed: (error: unknown) => void;
  readonly consumers: Consumers;
  readonly apply: (consumer: Consumer, release: Release, nowMs: number) => void;
};

/**
 * Releases the subscriptions that a gateway does not know any more, in turns: those of a gateway that has restarted may have
 * all that their consumers may have in flight. Until its turn a subscription gets nothing. An eviction forgets what is left;
 * the stream asks its gateways again when it is loaded.
 */
export class Releases {
  readonly #consumers: Consumers;
  readonly #apply: ReleasesHost["apply"];
  readonly #loop: TurnLoop;
  #left: readonly Release[] = [];

  /** @param turn Runs a transaction that calls {@link applySome}. */
  constructor({ ctx, isCurrent, failed, consumers, apply }: ReleasesHost, turn: () => void) {
    this.#consumers = consumers;
    this.#apply = apply;
    this.#loop = new TurnLoop(
      ctx,
      () => {
        if (!isCurrent()) {
          return false;
        }
        turn();
        return this.isLeft;
      },
      failed,
    );
  }

  /** Whether another turn is to come. */
  get isLeft(): boolean {
    return this.#left.length > 0;
  }

  /** What has no subscription any more goes first: when the stream is loaded again, nobody asks for it. */
  add(releases: readonly Release[]): void {
    const [ended, left]: [Release[], Release[]] = [[], []];
    for (const release of releases) {
      const subscriber = this.#consumers.get(release.consumer)?.subscribers.get(release.holder);
      subscriber?.leave();
      (subscriber === undefined ? ended : left).push(release);
    }
    this.#left = [...ended, ...this.#left, ...left];
  }

  /** Releases as many as one turn may, within a transaction. */
  applySome(nowMs: number): void {
    const consumerOf = ({ consumer }: Release) => this.#consumers.get(consumer);
    const apply = (consumer: Consumer, release: Release) => this.#apply(consumer, release, nowMs);
    const { applied } = applyTurn(this.#left, consumerOf, apply);
    this.#left = this.#left.slice(applied);
  }

  /** After the transaction: what is left goes by further turns. */
  goOn(): void {
    if (this.isLeft) {
      this.#loop.start();
    }
  }
}
