import type { Message } from "../../rpc/index.ts";

/**
 * Messages as text. A message is turned to JSON once, in the object that took it from its client, and travels, rests
 * and returns as that text. Its sequence and time, known only to the stream, stand first and its subject next, so
 * that a reader finds all three without parsing the rest.
 */

/** Stands between messages of one text. JSON.stringify never writes a line break, so it can not occur inside one. */
export const MESSAGE_SEPARATOR = ",\n";

const HEAD = /^\{"sequence":(\d+),"publishedAt":(\d+),(?:"subject":"([^"]*)",)?/;

/** One message of a text, with what delivery needs to know of it. */
export type MessageText = { sequence: number; publishedAt: number; subject: string | undefined; text: string };

/** Turns what a client published into a message's JSON text without the head that {@link messageText} puts before it. */
export function messageBody(message: Pick<Message, "data" | "subject" | "headers" | "id">): string {
  const { subject, data, headers, id } = message;
  let body = subject === undefined ? '"data":' : `"subject":"${subject}","data":`;
  body += JSON.stringify(data);
  if (headers !== undefined) {
    body += `,"headers":${JSON.stringify(headers)}`;
  }
  if (id !== undefined) {
    body += `,"id":${JSON.stringify(id)}`;
  }
  return `${body}}`;
}

/** The JSON text of a message, from its body. */
export function messageText(sequence: number, publishedAt: number, body: string): string {
  return `{"sequence":${sequence},"publishedAt":${publishedAt},${body}`;
}

/** Takes a text of joined messages apart; an empty text holds none. */
export function splitMessages(text: string): MessageText[] {
  if (text === "") {
    return [];
  }
  return text.split(MESSAGE_SEPARATOR).map((message) => {
    const head = HEAD.exec(message);
    if (head === null) {
      throw new Error("a stored message does not begin with its sequence");
    }
    return { sequence: Number(head[1]), publishedAt: Number(head[2]), subject: head[3], text: message };
  });
}

/** Joins what {@link splitMessages} took apart. */
export function joinMessages(messages: readonly MessageText[]): string {
  return messages.map((message) => message.text).join(MESSAGE_SEPARATOR);
}

/** Bytes of a well-formed text in UTF-8. JSON.stringify writes no lone surrogate, so its output is well-formed. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) {
      // A surrogate pair is four bytes in two units: one more for each unit, as for U+0080 to U+07FF.
      bytes += unit > 0x7ff && !(unit >= 0xd800 && unit <= 0xdfff) ? 2 : 1;
    }
  }
  return bytes;
}
