import type { Message } from "../../rpc/index.ts";
import { toJson } from "./json-text.ts";

/**
 * Messages as text. A message becomes JSON text once, where it arrives from its client; it is sent, stored and
 * delivered as that text. Its sequence and time, which only the stream knows, come first and its subject next, so that
 * all three are read without parsing the rest.
 */

/** Separates messages in one text. JSON.stringify never writes a line break, so no message contains it. */
export const MESSAGE_SEPARATOR = ",\n";

const HEAD = /^\{"sequence":(\d+),"publishedAt":(\d+),(?:"subject":"([^"]*)",)?/;

/** What a body with a subject begins with: a text without it has no message with a subject. */
export const SUBJECT = '"subject":"';

/** Within so many characters of a message are its sequence and time, and the separator or delivery count before them. */
const HEAD_CHARACTERS = 128;

/** One message of a text, with the fields that delivery needs. */
export type MessageText = { sequence: number; publishedAt: number; subject: string | undefined; text: string };

/** The JSON text of a published message, without the head that {@link messageText} adds. */
export function messageBody(message: Pick<Message, "data" | "subject" | "headers" | "id">): string {
  const { subject, data, headers, id } = message;
  let body = subject === undefined ? '"data":' : `"subject":"${subject}","data":`;
  body += toJson(data);
  if (headers !== undefined) {
    body += `,"headers":${JSON.stringify(headers)}`;
  }
  if (id !== undefined) {
    body += `,"id":${JSON.stringify(id)}`;
  }
  return `${body}}`;
}

/** The subject of a {@link messageBody}. */
export function subjectOf(body: string): string | undefined {
  return body.startsWith(SUBJECT) ? body.slice(SUBJECT.length, body.indexOf('"', SUBJECT.length)) : undefined;
}

/** What stands before a message's sequence, and between that and its body. */
export function messageHead(publishedAt: number): [before: string, after: string] {
  return ['{"sequence":', `,"publishedAt":${publishedAt},`];
}

/** The JSON text of a message, from its body. */
export function messageText(sequence: number, publishedAt: number, body: string): string {
  const [before, after] = messageHead(publishedAt);
  return before + sequence + after + body;
}

/** Splits a text of joined messages; an empty text has none. */
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

/** Where a message begins in a text that has it behind another one. */
export function offsetOf(text: string, sequence: number): number {
  const before = text.indexOf(`${MESSAGE_SEPARATOR}{"sequence":${sequence},`);
  if (before === -1) {
    throw new Error("a text does not have a message that it should have");
  }
  return before + MESSAGE_SEPARATOR.length;
}

/** When the last message of a text was published; a consumer's messages have their delivery count before the head. */
export function lastPublishedAt(text: string): number {
  const start = text.lastIndexOf(MESSAGE_SEPARATOR) + 1;
  return Number(/"publishedAt":(\d+)/.exec(text.slice(start, start + HEAD_CHARACTERS))?.[1] ?? 0);
}

/** Joins messages; the inverse of {@link splitMessages}. */
export function joinMessages(messages: readonly MessageText[]): string {
  return messages.map((message) => message.text).join(MESSAGE_SEPARATOR);
}

/** Shorter texts are counted sooner than encoded (measured on workerd 1.20261117: longer ones take a tenth to a hundredth). */
const ENCODED_CHARACTERS = 100;
const encoder = new TextEncoder();
const scratch = new Uint8Array(65_536);

/** Bytes of a well-formed text in UTF-8. JSON.stringify writes no lone surrogate, so its output is well-formed. */
export function utf8Bytes(text: string): number {
  if (text.length < ENCODED_CHARACTERS) {
    return countedBytes(text);
  }
  let bytes = 0;
  for (let at = 0; at < text.length;) {
    const { read, written } = encoder.encodeInto(at === 0 ? text : text.slice(at), scratch);
    at += read;
    bytes += written;
  }
  return bytes;
}

function countedBytes(text: string): number {
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
