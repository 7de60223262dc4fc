import { href } from "../../router.ts";

/** What stands in place of a consumer's name in the route that creates one: no name may hold it. */
export const CREATE = "+";
export const DEAD_LETTERS = "dead-letters";

/** The segments of a place among the consumers of a stream. */
export function consumersOf(stream: string, ...rest: readonly string[]): readonly string[] {
  return ["streams", stream, "consumers", ...rest];
}

export function consumerHref(stream: string, consumer: string): string {
  return href(consumersOf(stream, consumer));
}

export function deadLettersHref(
  stream: string,
  consumer: string,
  query: Readonly<Record<string, string>> = {},
): string {
  return href(consumersOf(stream, consumer, DEAD_LETTERS), query);
}
