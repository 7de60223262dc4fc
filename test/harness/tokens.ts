import { env } from "cloudflare:workers";
import { importJWK, SignJWT } from "jose";
import type { JWK } from "jose";

import type { Access } from "../../src/access/access.ts";

/** A token of this server for an access of some rights, with an end to the millisecond. */
export async function tokenFor({ rights, subject, expiresAt = Date.now() + 600_000, ...others }: Access) {
  const { keys }: { keys: JWK[] } = JSON.parse(env.TOKEN_KEYS ?? "");
  const [key] = keys;
  if (key === undefined) {
    throw new Error("no key of tokens is configured");
  }
  const claims = { ...others, rights, exp: expiresAt / 1_000, ...(subject === undefined ? {} : { sub: subject }) };
  return new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(await importJWK(key, "HS256"));
}
