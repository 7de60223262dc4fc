import { RpcError } from "../../rpc/index.ts";
import type { Access } from "../access/access.ts";
import { isRoot } from "../access/access-header.ts";
import { publishesPerSecond } from "../access/limits.ts";
import type { LimitSettings } from "../access/limits.ts";
import { takenUntil } from "../access/tokens/claims.ts";
import { PublishRate } from "../publishing/publish-rate.ts";

import type { SocketAccessStore } from "./access-store.ts";
import { isBound, markBound } from "./attachment.ts";
import type { Attachment } from "./attachment.ts";

/** How long before its end a client is told that its token ends; half of what is left when that is shorter. */
const NOTICE_MS = 60_000;

/** Why a socket is closed when its token has ended. */
export const TOKEN_ENDED = "the token has ended";

/** What the access of a socket needs of its gateway. */
type AccessHost = { readonly env: LimitSettings; readonly accessStore: SocketAccessStore };

/**
 * Who calls on one socket, what it may do now, and until when: at the `exp` of its token the socket is closed.
 *
 * A token whose `exp` has passed is taken on a socket as in every request, for the skew of clocks. Then the socket ends when no
 * request would take the token any more. So a client that connects again by a token that has just ended is not closed at
 * once, over and over: it is closed when that time is up, and the next handshake is refused.
 */
export class SocketAccess {
  readonly #host: AccessHost;
  readonly #attachment: Attachment;
  #current: Access;
  #rate: PublishRate | undefined;

  /** @param access What the attachment says that it is, or what it is to be from now on. */
  constructor(host: AccessHost, attachment: Attachment, access: Access) {
    this.#host = host;
    this.#attachment = attachment;
    this.#current = access;
    this.#rate = this.#rateOf(access);
  }

  /** Bounds its publishes; undefined when they are not bounded. */
  get rate(): PublishRate | undefined {
    return this.#rate;
  }

  get current(): Access {
    return this.#current;
  }

  /** When its token ends for it, by our own clock; infinite when it has no end. */
  get endsAt(): number {
    return this.#attachment.endsAt ?? this.#current.expiresAt ?? Number.POSITIVE_INFINITY;
  }

  /** Takes another access. Its table has it at once; the attachment is to be written by the caller. */
  set(access: Access, nowMs: number): void {
    const isInTable = !isRoot(access);
    if (isInTable) {
      this.#host.accessStore.set(this.#attachment.socket, access);
    } else {
      this.forget();
    }
    this.#current = access;
    this.#rate = this.#rateOf(access);
    markBound(this.#attachment, isInTable);
    this.#attachment.endsAt = endOf(access, nowMs);
    this.#attachment.noticeAt = noticeAt(this.#attachment.endsAt, nowMs);
  }

  /** Its socket is gone. */
  forget(): void {
    if (isBound(this.#attachment)) {
      this.#host.accessStore.removeSocket(this.#attachment.socket);
    }
  }

  /** Whether its token has ended. Then nothing is done for its client any more, whether or not the alarm has fired. */
  get isOver(): boolean {
    const { endsAt } = this;
    return endsAt !== Number.POSITIVE_INFINITY && endsAt <= Date.now();
  }

  /** When the client is to be told that its token ends, or else when that is; undefined when it has no end. */
  get nextAt(): number | undefined {
    return this.#attachment.noticeAt ?? this.#attachment.endsAt ?? this.#current.expiresAt;
  }

  /** When the token ends, if its client is to be told that now. Says so once; the attachment is to be written then. */
  takeNotice(nowMs: number): number | undefined {
    const dueAt = this.#attachment.noticeAt;
    if (dueAt === undefined || dueAt > nowMs) {
      return undefined;
    }
    this.#attachment.noticeAt = undefined;
    return this.endsAt;
  }

  /** @throws Unauthenticated once its token has ended. */
  expectLive(): void {
    if (this.isOver) {
      throw new RpcError("Unauthenticated", TOKEN_ENDED, { reason: "expired" });
    }
  }

  /**
   * Checks that an access may take the place of this one.
   *
   * @throws Forbidden when it is another caller's, and when this one is not of a token; Unauthenticated when this one has
   * ended.
   */
  expectSuccessor({ subject, prefix, expiresAt }: Access): void {
    this.expectLive();
    const current = this.#current;
    if (current.expiresAt === undefined) {
      throw new RpcError("Forbidden", "this socket was not opened by a token", { method: "authenticate" });
    }
    if (expiresAt === undefined || subject !== current.subject || prefix !== current.prefix) {
      const message = "this is no token of the same subject and prefix";
      throw new RpcError("Forbidden", message, { method: "authenticate" });
    }
  }

  /** It goes on with what was published before, also under another bound. */
  #rateOf(access: Access): PublishRate | undefined {
    const limit = publishesPerSecond(access, this.#host.env);
    if (limit === undefined) {
      return undefined;
    }
    this.#attachment.owed ??= { owed: 0, atMs: 0 };
    return new PublishRate(limit, this.#attachment.owed);
  }
}

function endOf({ expiresAt }: Access, nowMs: number): number | undefined {
  return expiresAt === undefined || expiresAt > nowMs ? expiresAt : takenUntil(expiresAt);
}

function noticeAt(endsAt: number | undefined, nowMs: number): number | undefined {
  return endsAt === undefined ? undefined : endsAt - Math.min(NOTICE_MS, Math.floor((endsAt - nowMs) / 2));
}
