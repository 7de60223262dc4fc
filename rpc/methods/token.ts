import * as v from "valibot";

import { durationMs, Time } from "../schemas/names.ts";

import { NamePrefix, Rights } from "./rights.ts";

/** How long a token lasts at most, in milliseconds: a day. */
export const TOKEN_MAX_MS = 86_400_000;

/** How long a token of `issueToken` lasts unless asked otherwise, in milliseconds: an hour. */
export const TOKEN_DEFAULT_MS = 3_600_000;

/** Whom a token is for, in the words of who issues it: 1 to 256 characters. */
export const TokenSubject = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(256),
  v.description("Whom the token is for, in words of your own: 1 to 256 characters."),
);

/** A number of messages or sockets that a token bounds. */
export const TokenLimit = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

export const IssueTokenParams = v.strictObject({
  rights: v.pipe(Rights, v.description("What its holder may do: each within one of the caller's own rights.")),
  subject: v.optional(TokenSubject),
  prefix: v.optional(
    v.pipe(
      NamePrefix,
      v.description(
        "Stands before every stream name and object key that its holder says, behind the caller's own prefix. It ends with a dot, as `tenant-7.`",
      ),
    ),
  ),
  expiresInMs: v.optional(
    durationMs(
      1_000,
      TOKEN_MAX_MS,
      "How long it lasts; 3,600,000 unless given, and never longer than the caller's own.",
    ),
  ),
  publishesPerSecond: v.optional(
    v.pipe(
      TokenLimit,
      v.description(
        "Messages that it may publish in a second on one socket, and over HTTP about as many; the caller's own unless given.",
      ),
    ),
  ),
  socketsPerSubject: v.optional(
    v.pipe(
      TokenLimit,
      v.description("Sockets that its subject may hold at one gateway; the caller's own unless given."),
    ),
  ),
});
export type IssueTokenParams = v.InferOutput<typeof IssueTokenParams>;

export const IssueTokenResult = v.strictObject({
  token: v.pipe(v.string(), v.description("A JWT, to be sent as the key is.")),
  expiresAt: v.pipe(Time, v.description("When it ends, in milliseconds since the epoch: a whole second.")),
});
export type IssueTokenResult = v.InferOutput<typeof IssueTokenResult>;

export const AuthenticateParams = v.strictObject({
  token: v.pipe(
    v.string(),
    v.minLength(1),
    v.description("Of the same subject and the same prefix as the one that the socket has."),
  ),
});
export type AuthenticateParams = v.InferOutput<typeof AuthenticateParams>;

export const AuthenticateResult = v.strictObject({
  subject: v.optional(TokenSubject),
  expiresAt: v.pipe(Time, v.description("When the socket ends now, in milliseconds since the epoch.")),
});
export type AuthenticateResult = v.InferOutput<typeof AuthenticateResult>;
