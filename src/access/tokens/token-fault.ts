/** Most characters of a token. */
export const MAX_TOKEN_CHARACTERS = 16_384;

/** Why a token is refused, and what its holder is told of it: nothing of what is in it. */
export const TOKEN_FAULTS = {
  tooLarge: `the token is longer than ${MAX_TOKEN_CHARACTERS} characters`,
  malformed: "the token is malformed",
  algorithm: "the algorithm of the token is not allowed",
  type: "the token is of another type than JWT",
  critical: "the token has critical headers that are not understood",
  key: "no key that is configured fits the token",
  signature: "the signature of the token does not hold",
  issuer: "the token is of another issuer",
  audience: "the token is for another audience",
  expiry: "the token says no time at which it ends",
  lifetime: "the token lasts longer than 24 hours",
  expired: "the token has expired",
  notYetValid: "the token is not valid yet",
  rights: "the rights of the token are not understood",
  claims: "the subject, the prefix or a limit of the token is not understood",
} as const;

export type TokenFault = keyof typeof TOKEN_FAULTS;

/** Thrown when the keys that tokens are checked by can not be had now. */
export class KeysUnavailableError extends Error {
  override readonly name = "KeysUnavailableError";
}
