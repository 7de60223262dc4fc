import { expect } from "vitest";

import type { UploadedPart } from "../../../rpc/index.ts";

import { Client } from "../server/client.ts";
import type { Target } from "../server/client.ts";

/** The stream of a history. */
export const STREAM = "orders";

const CONSUMER = "c";
const PRODUCER = "p";
const KEY = "whole";

/** Messages that a round publishes. */
const A_ROUND = 4;

/**
 * What was done in rounds, each with whatever version serves then: a round looks for all that the others have left, and
 * leaves something of every kind to the next.
 */
export class History {
  #rounds = 0;
  #epoch = "";
  #last = 0;
  /** Messages that the consumer has delivered, and that nobody has settled. */
  #unsettled: number[] = [];
  #upload: { uploadId: string; part: UploadedPart } | undefined;

  /** @param sleep Puts the objects to sleep, with the sockets open. */
  async goOn(target: Target, sleep: () => Promise<void>): Promise<void> {
    this.#rounds += 1;
    const client = await Client.connect(target);
    await client.call("createConsumer", { stream: STREAM, consumer: CONSUMER, ackWaitMs: 600_000, backoffMs: [] });
    const own = await this.#follow(client);
    const shared = await client.call("subscribe", { stream: STREAM, consumer: CONSUMER });
    await this.#repeat(client);
    const before = this.#last;

    await this.#publish(client, {});
    await this.#publish(client, { id: `round-${this.#rounds}` });
    await client.untilMessages(2, own);
    await sleep();
    await this.#publish(client, { producer: { id: PRODUCER, sequence: this.#rounds } });
    await client.untilMessages(3, own);
    await client.call("ack", { subscription: own, through: this.#last });
    await sleep();
    await this.#publish(client, {});
    await client.untilMessages(A_ROUND, own);

    const added = Array.from({ length: A_ROUND }, (_, index) => before + index + 1);
    assertSame(client.sequences(own), added);
    await this.#settle(client, shared.subscription, [...this.#unsettled, ...added]);
    await this.#putState(client);
    await this.#uploadOn(client);
    assertSame(client.of("gap"), []);
    await client.close();
  }

  /** Looks at the whole of it once more. */
  async check(target: Target): Promise<void> {
    const client = await Client.connect(target);
    const { messages } = await client.call("getMessages", { stream: STREAM });
    assertSame(
      messages.map(({ sequence, data }) => [sequence, data]),
      Array.from({ length: this.#last }, (_, index) => [index + 1, { number: index + 1 }]),
    );
    const { producer } = await client.call("getProducer", { stream: STREAM, producer: PRODUCER });
    assertSame(producer, expect.objectContaining({ id: PRODUCER, sequence: this.#rounds }));
    const { deadLetters, inFlight, pending } = await client.call("getConsumer", { stream: STREAM, consumer: CONSUMER });
    assertSame([deadLetters, inFlight + pending], [0, this.#unsettled.length]);
    const { streams } = await client.call("listStreams", { prefix: STREAM });
    assertSame(streams, [expect.objectContaining({ stream: STREAM, epoch: this.#epoch })]);
    await client.close();
  }

  /** Follows the stream from where the round before has come. @returns The subscription. */
  async #follow(client: Client): Promise<number> {
    const goesOn = this.#rounds === 1 ? {} : { from: { sequence: this.#last + 1 }, epoch: this.#epoch };
    const { subscription, epoch, lastSequence } = await client.call("subscribe", { stream: STREAM, ...goesOn });
    assertSame([lastSequence, this.#rounds === 1 ? epoch : this.#epoch], [this.#last, epoch]);
    this.#epoch = epoch;
    return subscription;
  }

  async #publish(
    client: Client,
    by: { id?: string; producer?: { id: string; sequence: number } },
    isRepeated = false,
  ): Promise<void> {
    const [epoch, sequence] = [this.#epoch, this.#last + 1];
    const published = await client.call("publish", { stream: STREAM, data: { number: sequence }, ...by });
    if (isRepeated) {
      assertSame(published, expect.objectContaining({ epoch, duplicate: true }));
    } else {
      assertSame(published, expect.objectContaining({ epoch, duplicate: false, sequence }));
      this.#last = sequence;
    }
  }

  /** Publishes again what the round before has: nothing of it is stored twice. */
  async #repeat(client: Client): Promise<void> {
    const round = this.#rounds - 1;
    if (round > 0) {
      await this.#publish(client, { id: `round-${round}` }, true);
      await this.#publish(client, { producer: { id: PRODUCER, sequence: round } }, true);
    }
  }

  /** Has all of these messages from the consumer, each once, and settles all but the last. */
  async #settle(client: Client, subscription: number, expected: readonly number[]): Promise<void> {
    const delivered = await client.untilMessages(expected.length, subscription);
    assertSame(
      delivered.toSorted((a, b) => a - b),
      expected,
    );
    await client.call("ack", { subscription, sequences: expected.slice(0, -1) });
    this.#unsettled = expected.slice(-1);
  }

  async #putState(client: Client): Promise<void> {
    const revision = this.#rounds - 1;
    const state = revision === 0 ? null : { rounds: revision };
    assertSame(await client.call("getState", { stream: STREAM }), { epoch: this.#epoch, state, revision });
    await client.call("putState", { stream: STREAM, state: { rounds: this.#rounds }, expectedRevision: revision });
  }

  /** Completes the upload that the round before has begun, and begins one for the next. */
  async #uploadOn(client: Client): Promise<void> {
    const upload = this.#upload;
    if (upload !== undefined) {
      const { uploadId, part } = upload;
      const second = await client.call("uploadPart", { key: KEY, uploadId, partNumber: 2, data: " and the next" });
      const complete = { key: KEY, uploadId, parts: [part, second] };
      const object = await client.call("completeUpload", complete);
      assertSame(await client.call("completeUpload", complete), object);
      const { data } = await client.call("getObject", { key: KEY });
      assertSame(data, `round ${this.#rounds - 1} and the next`);
    }
    const { uploadId } = await client.call("createUpload", { key: KEY });
    const data = `round ${this.#rounds}`;
    this.#upload = { uploadId, part: await client.call("uploadPart", { key: KEY, uploadId, partNumber: 1, data }) };
  }
}

function assertSame(actual: unknown, expected: unknown): void {
  expect(actual).toEqual(expected);
}
