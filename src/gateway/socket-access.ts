import { RpcError } from "../../rpc/index.ts";
import type { Access } from "../access/access.ts";
import { isRoot } from "../access/access-header.ts";
import { publishesPerSecond } from "../access/limits.ts";
import type { LimitSettings } from "../access/limits.ts";
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

/** Who calls on one socket, what it may do now, and until when. */
export class SocketAccess {
  readonly #host: AccessHost;
  readonly #attachment: Attachment;
  #current: Access;
  /** When its token ends, by our own clock; infinite when it has no end. */
  #endsAt: number;
  #rate: PublishRate | undefined;

  /** @param access What the attachment says that it is, or what it is to be from now on. */
  constructor(host: AccessHost, attachment: Attachment, access: Access) {
    this.#host = host;
    this.#attachment = attachment;
    this.#current = access;
    this.#endsAt = access.expiresAt ?? Number.POSITIVE_INFINITY;
    this.#rate = this.#rateOf(access);
  }

  /** Bounds its publishes; undefined when they are not bounded. */
  get rate(): PublishRate | undefined {
    return this.#rate;
  }

  get current(): Access {
    return this.#current;
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
    this.#endsAt = access.expiresAt ?? Number.POSITIVE_INFINITY;
    this.#rate = this.#rateOf(access);
    markBound(this.#attachment, isInTable);
    this.#attachment.noticeAt = noticeAt(access, nowMs);
  }

  /** Its socket is gone. */
  forget(): void {
    if (isBound(this.#attachment)) {
      this.#host.accessStore.removeSocket(this.#attachment.socket);
    }
  }

  /** Whether its token has ended. Then nothing is done for its client any more, whether or not the alarm has fired. */
  get isOver(): boolean {
    return this.#endsAt !== Number.POSITIVE_INFINITY && this.#endsAt <= Date.now();
  }

  /** When the client is to be told that its token ends, or else when that is; undefined when it has no end. */
  get nextAt(): number | undefined {
    return this.#attachment.noticeAt ?? this.#current.expiresAt;
  }

  /** When the token ends, if its client is to be told that now. Says so once; the attachment is to be written then. */
  takeNotice(nowMs: number): number | undefined {
    const dueAt = this.#attachment.noticeAt;
    if (dueAt === undefined || dueAt > nowMs) {
      return undefined;
    }
    this.#attachment.noticeAt = undefined;
    return this.#endsAt;
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
   * @returns It, with its end.
   * @throws Forbidden when it is another caller's, and when this one is not of a token; Unauthenticated when it has ended,
   * whatever the clock of its issuer says.
   */
  successor(access: Access): Access & { readonly expiresAt: number } {
    this.expectLive();
    const { subject, prefix, expiresAt } = access;
    const current = this.#current;
    if (current.expiresAt === undefined) {
      throw new RpcError("Forbidden", "this socket was not opened by a token", { method: "authenticate" });
    }
    if (expiresAt === undefined || subject !== current.subject || prefix !== current.prefix) {
      const message = "this is no token of the same subject and prefix";
      throw new RpcError("Forbidden", message, { method: "authenticate" });
    }
    if (expiresAt <= Date.now()) {
      throw new RpcError("Unauthenticated", TOKEN_ENDED, { reason: "expired" });
    }
    return { ...access, expiresAt };
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

function noticeAt({ expiresAt }: Access, nowMs: number): number | undefined {
  return expiresAt === undefined ? undefined : expiresAt - Math.min(NOTICE_MS, Math.floor((expiresAt - nowMs) / 2));
}
