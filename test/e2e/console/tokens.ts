/** Tokens with few rights, and a server that takes them. */
import { inSeconds, jwks, newKey, signedBy } from "../access/token-maker.ts";

import { inBrowser } from "./console.ts";

const key = newKey("HS256", "console");

/** `inBrowser` with a server that takes the tokens of {@link tokenWith}. */
export const withTokens = inBrowser.extend({ options: { vars: { TOKEN_KEYS: jwks(key.jwk) } } });

/** A token with one right. */
export function tokenWith(right: { streams?: string[]; objects?: string[]; actions: string[] }): string {
  return signedBy(key, { sub: "console", exp: inSeconds(600), rights: [right] });
}
