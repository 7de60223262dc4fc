import type { MessageRange } from "../internal/calls.ts";
import { splitMessages } from "../internal/message-text.ts";
import type { MessageText } from "../internal/message-text.ts";

/** The head of a frame up to its messages. Stream names need no escaping. */
function frameHead(subscription: number, stream: string, previous: number): string {
  return (
    `{"jsonrpc":"2.0","method":"messages","params":{"subscription":${subscription},"stream":"${stream}",` +
    `"previous":${previous},"messages":[`
  );
}

/** A `messages` notification as text. */
export function messagesFrame(subscription: number, stream: string, previous: number, text: string): string {
  return `${frameHead(subscription, stream, previous)}${text}]}}`;
}

/**
 * A range of a stream's messages on its way to the sockets of one gateway. What several of them need is made once: the
 * parsed messages, and the frame of all messages for each subscription number, position and name of the stream: callers with
 * different prefixes say it by different names.
 */
export class MessageBatch {
  readonly first: number;
  readonly last: number;
  /** When `last` was published; 0 when that is not known. */
  readonly publishedAt: number;
  readonly count: number;
  /** UTF-8 bytes of the text. */
  readonly bytes: number;
  readonly text: string;
  #messages: MessageText[] | undefined;
  readonly #frames = new Map<number, { name: string; previous: number; frame: string }>();

  constructor(range: MessageRange) {
    this.first = range.first;
    this.last = range.last;
    this.publishedAt = range.publishedAt;
    this.count = range.count;
    this.bytes = range.bytes;
    this.text = range.text;
  }

  /** Whether every sequence of the range still has its message. */
  get isWhole(): boolean {
    return this.count === this.last - this.first + 1;
  }

  get messages(): readonly MessageText[] {
    this.#messages ??= splitMessages(this.text);
    return this.#messages;
  }

  /** The notification of all messages: one string for all subscriptions of that number at that position, by that name. */
  frame(subscription: number, name: string, previous: number): string {
    const made = this.#frames.get(subscription);
    if (made?.previous === previous && made.name === name) {
      return made.frame;
    }
    const frame = messagesFrame(subscription, name, previous, this.text);
    this.#frames.set(subscription, { name, previous, frame });
    return frame;
  }
}
