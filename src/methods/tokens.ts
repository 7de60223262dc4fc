import { RpcError, TOKEN_DEFAULT_MS } from "../../rpc/index.ts";
import type { IssueTokenParams } from "../../rpc/index.ts";
import type { Access } from "../access/access.ts";
import { accessOfCredential } from "../access/authenticate.ts";
import { containsRight } from "../access/contains.ts";
import { tokensOf } from "../access/tokens/configured.ts";
import { MAX_TOKEN_CHARACTERS } from "../access/tokens/token-fault.ts";

import type { Handlers } from "./context.ts";

/** Most characters of a prefix, that of a caller and what it asks for together. */
const PREFIX_CHARACTERS = 64;

export const tokenHandlers: Handlers<"issueToken" | "authenticate"> = {
  issueToken: async (params, { env, access }) => {
    const nowMs = Date.now();
    const issued = issuedAccess(access, params, nowMs);
    const token = await tokensOf(env)?.sign(issued, nowMs);
    if (token === undefined) {
      throw new RpcError("NotFound", "no key to sign with is configured", { what: "signingKey" });
    }
    if (token.length > MAX_TOKEN_CHARACTERS) {
      const reason = `must be fewer: the token would have more than ${MAX_TOKEN_CHARACTERS} characters`;
      throw new RpcError("InvalidParams", `rights ${reason}`, { issues: [{ path: "rights", reason }] });
    }
    return { token, expiresAt: issued.expiresAt };
  },

  authenticate: async ({ token }, { env, connection }) => {
    const found = await accessOfCredential(token, env);
    if ("refused" in found) {
      const { refused, message, reason } = found;
      throw refused === "unavailable"
        ? new RpcError("Unavailable", message)
        : new RpcError("Unauthenticated", message, reason === undefined ? {} : { reason });
    }
    const expiresAt = connection.authenticate(found);
    return { expiresAt, ...(found.subject === undefined ? {} : { subject: found.subject }) };
  },
};

/**
 * The access of a token that a caller asks for.
 *
 * @throws Forbidden when it is wider than the caller's own; InvalidParams for a prefix that is too long.
 */
function issuedAccess(caller: Access, params: IssueTokenParams, nowMs: number): Access & { expiresAt: number } {
  const { rights, subject, expiresInMs = TOKEN_DEFAULT_MS } = params;
  const wider = caller.rights === "all" ? -1 : rights.findIndex((right) => !mayGive(caller, right, params.prefix));
  if (wider !== -1) {
    throw forbidden(`the right ${wider} of those asked for is not within one of the caller's`);
  }
  const prefix = issuedPrefix(caller, params);
  const publishesPerSecond = issuedLimit(caller, params, "publishesPerSecond");
  const socketsPerSubject = issuedLimit(caller, params, "socketsPerSubject");
  return {
    rights,
    ...(subject === undefined ? {} : { subject }),
    ...(prefix === "" ? {} : { prefix }),
    ...(publishesPerSecond === undefined ? {} : { publishesPerSecond }),
    ...(socketsPerSubject === undefined ? {} : { socketsPerSubject }),
    // A token says its end in seconds.
    expiresAt: wholeSecond(Math.min(nowMs + expiresInMs, caller.expiresAt ?? Number.POSITIVE_INFINITY)),
  };
}

function mayGive({ rights }: Access, asked: IssueTokenParams["rights"][number], prefix: string | undefined): boolean {
  return rights === "all" || rights.some((right) => containsRight(right, asked, prefix));
}

function issuedPrefix(caller: Access, { prefix: asked = "" }: IssueTokenParams): string {
  const prefix = (caller.prefix ?? "") + asked;
  if (prefix.length > PREFIX_CHARACTERS) {
    const reason = `must be at most ${PREFIX_CHARACTERS} characters with the caller's own before it`;
    throw new RpcError("InvalidParams", `prefix ${reason}`, { issues: [{ path: "prefix", reason }] });
  }
  return prefix;
}

/** The caller's own limit unless a smaller one is asked for. */
function issuedLimit(
  caller: Access,
  params: IssueTokenParams,
  name: "publishesPerSecond" | "socketsPerSubject",
): number | undefined {
  const [own, asked] = [caller[name], params[name]];
  if (own !== undefined && asked !== undefined && asked > own) {
    // Not how many, which is a claim of the caller's token.
    throw forbidden(`${name} is more than the caller's own`);
  }
  return asked ?? own;
}

function forbidden(message: string): RpcError {
  return new RpcError("Forbidden", message, { method: "issueToken" });
}

function wholeSecond(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000;
}
