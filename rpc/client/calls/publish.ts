import type { ProducerState } from "../../protocol/errors.ts";

import type { PendingCall } from "./pending-call.ts";

/**
 * A place among the publishes of a stream. Held without a call, all that is behind it waits: what is to be published there
 * is still being made ready.
 */
export type Place = {
  readonly order: number;
  call: PendingCall | undefined;
  /** Its caller needs it no more: those behind it pass. */
  isLeft: boolean;
  /** Its messages; 0 when its caller says itself by what a repetition is known. */
  messages: number;
  /** Its params, once it was sent: it is asked for until it is known, whatever its caller waits for. */
  params: string | undefined;
  /** Where the producer was when it was sent first, its messages not included. */
  number: ProducerState | undefined;
  /** It may be stored: its last outcome is not known. */
  isUnknown: boolean;
  /** It is stored with its number, which is of an epoch before: only where it is has to be asked for. */
  isStored: boolean;
  /** The numbers it was sent with in epochs before. */
  former: readonly ProducerState[];
};

/** A publish with its place among those of its stream. */
export type Publish = Place & { readonly call: PendingCall };

const NONE: readonly ProducerState[] = [];

/** A place without a publish. All have the same shape, so that what reads them is compiled once. */
export function newPlace(order: number): Place {
  return {
    order,
    call: undefined,
    isLeft: false,
    messages: 0,
    params: undefined,
    number: undefined,
    isUnknown: false,
    isStored: false,
    former: NONE,
  };
}

/** Whether a place has its publish. */
export function isFilled(place: Place): place is Publish {
  return place.call !== undefined;
}

/** Nobody waits for it, and it is not on the server. */
export function isGone({ call, isLeft, messages, isUnknown }: Place): boolean {
  return isLeft || (call?.isSettled === true && (!isUnknown || messages === 0));
}
