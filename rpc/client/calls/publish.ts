import type { ProducerState } from "../../protocol/errors.ts";

import type { PendingCall } from "./pending-call.ts";

/** A publish with its place among those of its stream. */
export type Publish = {
  readonly call: PendingCall;
  readonly order: number;
  /** Its messages; 0 when its caller says itself by what a repetition is known. */
  readonly messages: number;
  /** Its params, once it was sent: it is asked for until it is known, whatever its caller waits for. */
  params?: string;
  /** Where the producer was when it was sent first, its messages not included. */
  number?: ProducerState | undefined;
  /** It may be stored: its last outcome is not known. */
  isUnknown?: boolean;
  /** It is stored with its number, which is of an epoch before: only where it is has to be asked for. */
  isStored?: boolean;
  /** The numbers it was sent with in epochs before. */
  former?: ProducerState[];
};
