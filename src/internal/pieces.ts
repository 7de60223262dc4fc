/**
 * Most characters of a piece: with two bytes for each it is below 128 KiB. V8 puts a longer string that comes by RPC where
 * only a full collection frees it (measured on workerd 1.20261117): pages of 1 MiB as one string each grew the heap to 250 MiB,
 * and every collection then stopped the isolate for 20 to 40 ms.
 */
const PIECE_CHARACTERS = 60_000;

/** Text that may be large. With `pieces` it is these joined, and `text` is empty. */
export type LargeText = { text: string; pieces?: string[] | undefined };

/**
 * A reply as it crosses to a caller.
 *
 * @param takesPieces Whether the caller joins them by {@link whole}: one of an earlier version does not.
 */
export function inPieces<Reply extends LargeText>(reply: Reply, takesPieces: boolean): Reply {
  const { text } = reply;
  if (!takesPieces || text.length <= PIECE_CHARACTERS) {
    return reply;
  }
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += PIECE_CHARACTERS) {
    pieces.push(text.slice(at, at + PIECE_CHARACTERS));
  }
  return { ...reply, text: "", pieces };
}

/** A reply that has crossed, with its text whole. */
export function whole<Reply extends LargeText>(reply: Reply): Reply {
  if (reply.pieces === undefined) {
    return reply;
  }
  let text = "";
  for (const piece of reply.pieces) {
    // By `+=`, not `join`: it is copied once only, with what it becomes a part of.
    text += piece;
  }
  return { ...reply, text, pieces: undefined };
}
