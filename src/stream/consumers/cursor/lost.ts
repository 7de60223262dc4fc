import type { LostMessages } from "./types.ts";

/** Two parts of what was lost as one; undefined when both are. */
export function joinLost(one: LostMessages | undefined, other: LostMessages | undefined): LostMessages | undefined {
  if (one === undefined || other === undefined) {
    return one ?? other;
  }
  const [from, to] = [Math.min(one.from, other.from), Math.max(one.to, other.to)];
  return { ...one, ...other, from, to, total: one.total + other.total };
}
