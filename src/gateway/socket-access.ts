import { RpcError } from "../../rpc/index.ts";
import type { Access } from "../access/access.ts";
import { isRoot } from "../access/access-header.ts";

import type { SocketAccessStore } from "./access-store.ts";
import { isBound, markBound } from "./attachment.ts";
import type { Attachment } from "./attachment.ts";

/** How long before its end a client is told that its token ends; half of what is left when that is shorter. */
const NOTICE_MS = 60_000;

/** Why a socket is closed when its token has ended. */
export const TOKEN_ENDED = "the token has ended";

/** Who calls on one socket, what it may do now, and until when. */
export class SocketAccess {
  readonly #store: SocketAccessStore;
  readonly #attachment: Attachment;
  #current: Access;
  /** When its token ends, by our own clock; infinite when it has no end. */
  #endsAt: number;

  /** @param access What the attachment says that it is, or what it is to be from now on. */
  constructor(store: SocketAccessStore, attachment: Attachment, access: Access) {
    this.#store = store;
    this.#attachment = attachment;
    this.#current = access;
    this.#endsAt = access.expiresAt ?? Number.POSITIVE_INFINITY;
  }

  get current(): Access {
    return this.#current;
  }

  /** Takes another access. Its table has it at once; the attachment is to be written by the caller. */
  set(access: Access, nowMs: number): void {
    const isInTable = !isRoot(access);
    if (isInTable) {
      this.#store.set(this.#attachment.socket, access);
    } else {
      this.forget();
    }
    this.#current = access;
    this.#endsAt = access.expiresAt ?? Number.POSITIVE_INFINITY;
    markBound(this.#attachment, isInTable);
    this.#attachment.noticeAt = noticeAt(access, nowMs);
  }

  /** Its socket is gone. */
  forget(): void {
    if (isBound(this.#attachment)) {
      this.#store.removeSocket(this.#attachment.socket);
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
}

function noticeAt({ expiresAt }: Access, nowMs: number): number | undefined {
  return expiresAt === undefined ? undefined : expiresAt - Math.min(NOTICE_MS, Math.floor((expiresAt - nowMs) / 2));
}
