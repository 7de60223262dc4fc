import type { Share } from "../platform/isolate-budget.ts";

/** A chunk: what is encoded of an answer at a time. */
const CHUNK_CHARACTERS = 65_536;
/** How often an answer that nobody takes is said to be held still. */
const TOUCH_MS = 20_000;

/**
 * An answer as a body that is encoded as fast as the client reads it. It counts in its share until it is all taken or its
 * client is gone.
 */
export function answerStream(answer: string, share: Share): ReadableStream<Uint8Array> {
  let text = answer;
  const encoder = new TextEncoder();
  const touching = setInterval(() => share.touch(), TOUCH_MS);
  let at = 0;
  const over = (): void => {
    clearInterval(touching);
    share.set(0);
    // The stream itself stays until a full collection.
    text = "";
  };
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const end = endOfChunk(text, at + CHUNK_CHARACTERS);
        controller.enqueue(encoder.encode(text.slice(at, end)));
        at = end;
        if (at >= text.length) {
          controller.close();
          over();
        }
      },
      cancel: over,
    },
    { highWaterMark: 0 },
  );
}

/** Where a chunk ends: not within a surrogate pair. */
function endOfChunk(text: string, end: number): number {
  const last = text.charCodeAt(end - 1);
  return last >= 0xd800 && last <= 0xdbff ? end + 1 : end;
}
