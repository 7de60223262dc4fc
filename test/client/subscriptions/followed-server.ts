/** A scripted server whose streams are followed, and what its tests share. */
import { vi } from "vitest";

import type { StreamEvent } from "../../../rpc/client.ts";

import { pass, ScriptedServer } from "../scripted-server.ts";
import type { ScriptedSocket, SentCall } from "../scripted-server.ts";

export const STREAM = { stream: "s" };

/** For `beforeEach`: a server that begins and ends subscriptions, numbered from 1 on each socket; the clock is vitest's. */
export function followedServer(): ScriptedServer {
  vi.useFakeTimers();
  const server = new ScriptedServer();
  server.onConnect = (socket) => {
    let subscriptions = 0;
    socket.onCall = ({ id, method }) => {
      if (method === "subscribe") {
        subscriptions += 1;
        const subscription = subscriptions;
        queueMicrotask(() => socket.answer({ id, result: begun(subscription) }));
      } else if (method === "unsubscribe") {
        queueMicrotask(() => socket.answer({ id, result: {} }));
      }
    };
    queueMicrotask(() => socket.open());
  };
  return server;
}

/** The answer to a subscribe. */
export function begun(subscription: number, rest: object = {}): object {
  return { subscription, stream: "s", epoch: "e1", nextSequence: 1, lastSequence: 0, ...rest };
}

/** Sends messages of a subscription as the server does. */
export function send(socket: ScriptedSocket, previous: number, sequences: readonly number[], subscription = 1): void {
  const messages = sequences.map((sequence) => ({ sequence, publishedAt: 1_000 + sequence, data: `m${sequence}` }));
  socket.notify("messages", { subscription, stream: "s", previous, messages });
}

/** What a handler was given, in short. */
export function short(event: StreamEvent): unknown {
  if (event.type === "message") {
    return event.sequence;
  }
  return event.type === "gap" ? `${event.reason} ${event.from}-${event.to}` : event.epoch;
}

export function acks(socket: ScriptedSocket): unknown[] {
  return socket.calls("ack").map(({ params }) => params["through"]);
}

/** A handler that finishes when a test says so. */
export function stepwise() {
  const seen: unknown[] = [];
  const steps: (() => void)[] = [];
  return {
    seen,
    handler: (event: StreamEvent) => {
      seen.push(short(event));
      return new Promise<void>((resolve) => steps.push(resolve));
    },
    /** Lets the event being handled be done, and so many after it. */
    finish: async (count = 1) => {
      await pass();
      for (let done = 0; done < count; done += 1) {
        steps.shift()?.();
        await pass();
      }
    },
  };
}

export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
}

/** Answers subscribe: EpochChanged where an epoch is given that is not this one. */
export function liveAs(epoch: string): (socket: ScriptedSocket) => void {
  return (socket) => {
    let subscription = 10;
    socket.onCall = ({ id, method, params }: SentCall) => {
      if (method !== "subscribe") {
        return;
      }
      subscription += 1;
      const other = params["epoch"] !== undefined && params["epoch"] !== epoch;
      const answer = other
        ? { id, error: { code: -32_010, message: "changed", data: { epoch } } }
        : { id, result: begun(subscription, { epoch }) };
      queueMicrotask(() => socket.answer(answer));
    };
  };
}
