import type { Access } from "../access/access.ts";
import { publishesPerSecond } from "../access/limits.ts";
import type { LimitSettings } from "../access/limits.ts";

import { PublishRate } from "./publish-rate.ts";
import type { Owed } from "./publish-rate.ts";

/** Subjects that are counted at most. */
const MOST = 1_000;

const owedBy = new Map<string, Owed>();

/**
 * What bounds the publishes of a caller without a socket, in this isolate only: another isolate counts for itself. Callers of the
 * same subject and prefix are one.
 */
export function publishRateOf(access: Access, env: LimitSettings): PublishRate | undefined {
  const limit = publishesPerSecond(access, env);
  if (limit === undefined) {
    return undefined;
  }
  const caller = JSON.stringify([access.prefix, access.subject]);
  const owed = owedBy.get(caller) ?? { owed: 0, atMs: 0 };
  // At the end: the one that is not heard of for longest is forgotten first.
  owedBy.delete(caller);
  owedBy.set(caller, owed);
  if (owedBy.size > MOST) {
    const [oldest = ""] = owedBy.keys();
    owedBy.delete(oldest);
  }
  return new PublishRate(limit, owed);
}
