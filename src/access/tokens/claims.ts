import type { JWTPayload } from "jose";
import * as v from "valibot";

import { NamePrefix, Rights, TOKEN_MAX_MS, TokenLimit, TokenSubject } from "../../../rpc/index.ts";
import type { Access } from "../access.ts";

import type { TokenFault } from "./token-fault.ts";

/** How far the clock of an issuer may be from ours, in seconds: a token is taken from so long before its `nbf`. */
export const CLOCK_SKEW_S = 60;

/** When a token is taken no more, by whatever way it comes: {@link CLOCK_SKEW_S} after its `exp`. In milliseconds. */
export function takenUntil(expiresAt: number): number {
  return expiresAt + CLOCK_SKEW_S * 1_000;
}

/** Of a token whose signature holds, when it holds; in seconds since the epoch. */
const Times = v.object({ exp: v.number(), iat: v.exactOptional(v.number()) });

/** Of the same, what its holder may do. Other claims say nothing here. */
const Claims = v.object({
  rights: Rights,
  sub: v.exactOptional(TokenSubject),
  prefix: v.exactOptional(NamePrefix),
  publishesPerSecond: v.exactOptional(TokenLimit),
  socketsPerSubject: v.exactOptional(TokenLimit),
});

/**
 * The access that the claims of a token give.
 *
 * @param claims Their signature, `exp`, `nbf`, `iss` and `aud` are checked.
 */
export function accessOfClaims(claims: object, nowMs: number): Access | TokenFault {
  const times = v.safeParse(Times, claims);
  if (!times.success) {
    return "malformed";
  }
  const { exp, iat } = times.output;
  const nowS = nowMs / 1_000;
  if (iat !== undefined && iat > nowS + CLOCK_SKEW_S) {
    return "notYetValid";
  }
  const expiresAt = Math.floor(exp * 1_000);
  if (takenUntil(expiresAt) <= nowMs) {
    // The check of the signature goes by whole seconds.
    return "expired";
  }
  const mostS = TOKEN_MAX_MS / 1_000;
  if (exp > nowS + CLOCK_SKEW_S + mostS || (iat !== undefined && exp - iat > mostS)) {
    return "lifetime";
  }
  const checked = v.safeParse(Claims, claims);
  if (!checked.success) {
    return checked.issues.some(({ path }) => path?.[0]?.key === "rights") ? "rights" : "claims";
  }
  const { sub, ...others } = checked.output;
  return { ...others, ...(sub === undefined ? {} : { subject: sub }), expiresAt };
}

/** The claims that give an access, as they are signed. @param access Of some rights, with an end. */
export function claimsOf({ subject, expiresAt = 0, rights, ...others }: Access, nowMs: number): JWTPayload {
  if (rights === "all") {
    throw new Error("a token of all rights was about to be signed");
  }
  const times = { exp: Math.floor(expiresAt / 1_000), iat: Math.floor(nowMs / 1_000) };
  return { ...others, rights, ...times, ...(subject === undefined ? {} : { sub: subject }) };
}
