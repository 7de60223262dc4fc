/** Something that is open and has to be closed. */
export type Connection = { readonly close: () => void | Promise<void> };

/** A connection that publishes. */
export type Publisher = Connection & {
  /**
   * Publishes at least so many messages with so many unanswered at a time.
   *
   * @param latencies Filled with the milliseconds of each, when `open` is 1.
   * @returns How many, once all are stored.
   */
  readonly publish: (count: number, open: number, latencies?: number[]) => Promise<number>;
  /** Publishes one message; nobody waits for its answer. */
  readonly post: (index: number) => void;
  /** How many were refused as too many at a time, and sent again. */
  readonly repeated: () => number;
  /** The most that the server lets be open at a time, where that is a limit that can be met. */
  readonly mostOpen?: number;
};

/** Where a follower starts: at what is published from now on, at the first message, or so many before the last one. */
export type Start = "new" | "first" | { readonly behind: number; readonly stored: number };

/** Called with how many messages came. */
export type OnMessages = (count: number) => void;

/** One way to drive a system: raw frames, say, or its JavaScript client. What a system has no word for is left out. */
export type Driver = {
  /** Makes a stream. */
  readonly create: (stream: string) => Promise<void>;
  /** Deletes a stream with all that it holds. */
  readonly drop: (stream: string) => Promise<void>;
  /** @param data JSON text of each message's data. The messages go to the streams in turn. */
  readonly publisher: (streams: readonly string[], data: string) => Promise<Publisher>;
  /** Stores messages in the quickest way that there is. */
  readonly fill: (stream: string, data: string, count: number) => Promise<void>;
  /** Follows a stream and acks at half its window. */
  readonly follower?: (stream: string, start: Start, onMessages: OnMessages) => Promise<Connection>;
  /** Whether a follower can start so many messages before the last one. */
  readonly hasPositions?: true;
  /** Makes the consumer that workers share. */
  readonly createConsumer?: (stream: string) => Promise<void>;
  /** Takes a share of the messages, and acks each. */
  readonly worker?: (stream: string, onMessages: OnMessages) => Promise<Connection>;
  /** A connection that does nothing. */
  readonly idle?: () => Promise<Connection>;
};

/** What a follower may have unacked, and at how many it acks. */
export const FOLLOWER_WINDOW = 4096;
/** After how long a follower acks what it has, so that a slow measure has no redeliveries: as a client does when idle. */
export const FOLLOWER_ACK_MS = 10_000;
/** What one worker of a consumer may have unacked. */
export const WORKER_WINDOW = 256;
/** What all workers of a consumer together may have unacked. */
export const CONSUMER_WINDOW = 4096;

/** Closes all, one after the other. */
export async function closeAll(connections: readonly Connection[]): Promise<void> {
  for (const connection of connections) {
    await connection.close();
  }
}
