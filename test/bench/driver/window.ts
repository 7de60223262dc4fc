import type { Driver, Publisher } from "./driver.ts";

/** How long to wait before what was refused as too much is sent again, in milliseconds. */
const REPEAT_MS = 1;

/** Keeps so many requests unanswered at a time, until so many are answered. */
export class RequestWindow {
  readonly #send: (index: number) => void;
  #sent = 0;
  #answered = 0;
  #wanted = 0;
  #open = 0;
  #latencies: number[] | undefined;
  #sentAt = 0;
  #done: PromiseWithResolvers<void> | undefined;
  #lost: Error | undefined;
  /** Requests that were refused as too many and sent again. */
  repeated = 0;

  /** @param send Sends the request of that number, from 0 on. */
  constructor(send: (index: number) => void) {
    this.#send = send;
  }

  /** @param latencies Filled with the milliseconds of each request, if only one is open at a time. */
  run(requests: number, open: number, latencies?: number[]): Promise<void> {
    this.#sent = 0;
    this.#answered = 0;
    this.#wanted = requests;
    this.#open = open;
    this.#latencies = latencies;
    this.#done = Promise.withResolvers();
    if (this.#lost !== undefined) {
      this.#done.reject(this.#lost);
    } else if (requests === 0) {
      this.#done.resolve();
    } else {
      this.#fill();
    }
    return this.#done.promise;
  }

  /** Sends one request beside; nobody waits for its answer. */
  post(index: number): void {
    this.#send(index);
  }

  /** So many requests were answered. */
  answered(count: number): void {
    this.#latencies?.push(performance.now() - this.#sentAt);
    this.#answered += count;
    if (this.#answered >= this.#wanted) {
      this.#done?.resolve();
    } else {
      this.#fill();
    }
  }

  /** So many requests were refused as too many: they are sent again. */
  refused(count: number): void {
    this.repeated += count;
    setTimeout(() => {
      this.#sent -= count;
      this.#fill();
    }, REPEAT_MS);
  }

  /** Nothing will be answered any more. */
  fail(error: Error): void {
    this.#lost = error;
    this.#done?.reject(error);
  }

  #fill(): void {
    while (this.#sent < this.#wanted && this.#sent - this.#answered < this.#open) {
      this.#sentAt = this.#latencies === undefined ? 0 : performance.now();
      this.#send(this.#sent);
      this.#sent += 1;
    }
  }
}

/** A publisher whose every request is one message. @param mostOpen The most that the server lets be open. */
export function windowPublisher(window: RequestWindow, close: () => void, mostOpen?: number): Publisher {
  return {
    async publish(count, open, latencies) {
      await window.run(count, Math.min(open, mostOpen ?? open), latencies);
      return count;
    },
    post: (index) => window.post(index),
    repeated: () => 0,
    ...(mostOpen === undefined ? {} : { mostOpen }),
    close,
  };
}

/** Publishes kept open to store many. */
const FILL_OPEN = 4096;

/** Stores messages by a publisher, where a system has no quicker way. */
export async function fillBy(
  publisher: Driver["publisher"],
  { stream, data, count }: { stream: string; data: string; count: number },
): Promise<void> {
  const filler = await publisher([stream], data);
  await filler.publish(count, FILL_OPEN);
  await filler.close();
}
