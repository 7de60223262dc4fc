import { addAbortSignal } from "node:stream";
import type { Readable } from "node:stream";

import { local, usage } from "./failure.ts";

/** Most characters of one line: more than any message may have. A file without line ends would fill the memory. */
const LINE_CHARACTERS = 4_194_304;

/** One line of an input, with its number from 1 on. */
export type Line = { readonly text: string; readonly number: number };

/**
 * The lines of an input, those of one chunk together, without the empty ones. An abort ends them.
 *
 * @throws Failure When it can not be read, and for a line that is too long.
 */
export async function* linesOf(input: Readable, signal: AbortSignal): AsyncGenerator<readonly Line[], void, void> {
  addAbortSignal(signal, input.setEncoding("utf8"));
  let rest = "";
  let number = 0;
  const take = (texts: readonly string[]) =>
    texts.flatMap((text): Line[] => {
      number += 1;
      return text.trim() === "" ? [] : [{ text, number }];
    });
  try {
    for await (const chunk of input) {
      const texts = (rest + String(chunk)).split("\n");
      rest = texts.pop() ?? "";
      if (rest.length > LINE_CHARACTERS) {
        throw usage(`line ${number + texts.length + 1} is longer than any message may be`);
      }
      yield take(texts);
    }
  } catch (error) {
    if (signal.aborted) {
      return;
    }
    throw error instanceof Error && "code" in error ? local(`the input can not be read: ${error.message}`) : error;
  }
  yield take([rest]);
}

/** A value of JSON. @param what What it is, for the failure. */
export function jsonOf(text: string, what: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    throw usage(`${what} is not JSON`);
  }
}

/** All of an input as text. */
export async function textOf(input: Readable): Promise<string> {
  let text = "";
  try {
    for await (const chunk of input.setEncoding("utf8")) {
      text += String(chunk);
    }
  } catch (error) {
    throw local(`the input can not be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return text;
}
