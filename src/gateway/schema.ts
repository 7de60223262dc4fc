import type { Migration } from "../platform/schema.ts";

/**
 * A stream's subscription as a gateway stores it: all that does not change while messages flow. Positions and ack windows
 * are in the sockets' attachments, which cost no storage write.
 */
export type StreamSubscriptionRow = {
  /** The socket's key in its attachment. */
  socket: string;
  /** The subscription's number on that socket. */
  subscription: number;
  stream: string;
  epoch: string;
  /** Null for every subject. */
  filter: string | null;
  max_in_flight: number;
  ack_wait_ms: number;
  max_deliver: number;
  /** JSON of the sequences that earlier rounds of sending reached (`AckWindow`). */
  rounds: string;
};

/** A subscription that shares a consumer. */
export type ConsumerSubscriptionRow = {
  socket: string;
  subscription: number;
  stream: string;
  epoch: string;
  /** Its name at the consumer. */
  holder: string;
};

/** Who has opened a socket, of those that may not do everything. */
export type SocketAccessRow = {
  socket: string;
  /** JSON of its `Access`. */
  access: string;
};

/** See `platform/schema.ts` for what a migration may do. Append only. */
export const MIGRATIONS: readonly Migration[] = [
  (sql) => {
    sql.exec(`CREATE TABLE IF NOT EXISTS subscriptions (
      socket TEXT NOT NULL,
      subscription INTEGER NOT NULL,
      stream TEXT NOT NULL,
      epoch TEXT NOT NULL,
      filter TEXT,
      max_in_flight INTEGER NOT NULL,
      ack_wait_ms INTEGER NOT NULL,
      max_deliver INTEGER NOT NULL,
      rounds TEXT NOT NULL,
      PRIMARY KEY (socket, subscription)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS consumer_subscriptions (
      socket TEXT NOT NULL,
      subscription INTEGER NOT NULL,
      stream TEXT NOT NULL,
      epoch TEXT NOT NULL,
      holder TEXT NOT NULL,
      PRIMARY KEY (socket, subscription)
    ) WITHOUT ROWID;`);
  },
  (sql) => {
    sql.exec(`CREATE TABLE IF NOT EXISTS socket_access (
      socket TEXT NOT NULL PRIMARY KEY,
      access TEXT NOT NULL
    ) WITHOUT ROWID;`);
  },
];
