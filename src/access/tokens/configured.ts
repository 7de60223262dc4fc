import { logError } from "../../platform/log.ts";

import { keysOf } from "./keys.ts";
import type { Key } from "./keys.ts";
import { Tokens } from "./tokens.ts";

/** The settings of tokens. One that is empty is not set. */
export type TokenSettings = {
  readonly TOKEN_KEYS?: string | undefined;
  readonly TOKEN_JWKS_URL?: string | undefined;
  readonly TOKEN_ISSUER?: string | undefined;
  readonly TOKEN_AUDIENCE?: string | undefined;
};

let latest: { settings: TokenSettings; tokens: Tokens | undefined } | undefined;

/**
 * The tokens that an environment is configured for; undefined when there are no keys to check any by. What is not understood
 * is logged once and gives none.
 */
export function tokensOf(settings: TokenSettings): Tokens | undefined {
  if (latest === undefined || !isSame(latest.settings, settings)) {
    const { TOKEN_KEYS, TOKEN_JWKS_URL, TOKEN_ISSUER, TOKEN_AUDIENCE } = settings;
    const own = { TOKEN_KEYS, TOKEN_JWKS_URL, TOKEN_ISSUER, TOKEN_AUDIENCE };
    latest = { settings: own, tokens: configured(own) };
  }
  return latest.tokens;
}

function isSame(one: TokenSettings, other: TokenSettings): boolean {
  return (
    one.TOKEN_KEYS === other.TOKEN_KEYS &&
    one.TOKEN_JWKS_URL === other.TOKEN_JWKS_URL &&
    one.TOKEN_ISSUER === other.TOKEN_ISSUER &&
    one.TOKEN_AUDIENCE === other.TOKEN_AUDIENCE
  );
}

function configured(settings: TokenSettings): Tokens | undefined {
  const [issuer, audience] = [set(settings.TOKEN_ISSUER), set(settings.TOKEN_AUDIENCE)];
  const keys = ownKeys(set(settings.TOKEN_KEYS));
  const url = keysUrl(set(settings.TOKEN_JWKS_URL), issuer !== undefined && audience !== undefined);
  return keys.length === 0 && url === undefined ? undefined : new Tokens({ keys, url, issuer, audience });
}

/** The keys of TOKEN_KEYS. Its text is never told. */
function ownKeys(text: string | undefined): readonly Key[] {
  if (text === undefined) {
    return [];
  }
  const read = keysOf(text, true);
  if (read === undefined || read.keys.length === 0) {
    logError("TOKEN_KEYS is not used", "it is no JWKS with a key of HS256, ES256, EdDSA or RS256");
    return [];
  }
  const { keys, unused } = read;
  if (unused > 0) {
    logError("keys of TOKEN_KEYS are not used", "they are not of HS256, ES256, EdDSA or RS256, or too short", {
      unused,
    });
  }
  return keys;
}

/** The URL of keys, if it may be asked: anybody on the way could answer what is not https. */
function keysUrl(text: string | undefined, isBound: boolean): string | undefined {
  if (text === undefined) {
    return undefined;
  }
  const why = isBound ? faultOfUrl(text) : "TOKEN_ISSUER and TOKEN_AUDIENCE have to be set too";
  if (why !== undefined) {
    logError("TOKEN_JWKS_URL is not used", why);
    return undefined;
  }
  return text;
}

function faultOfUrl(text: string): string | undefined {
  const url = URL.parse(text);
  const isLoopback = ["localhost", "127.0.0.1", "[::1]"].includes(url?.hostname ?? "");
  return url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback) ? undefined : "it is no https URL";
}

function set(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
