import { LIMITS } from "../../rpc/index.ts";

import type { Attachment } from "./attachment.ts";

/** How far `heardAt` of an attachment may be behind: so that not every frame has it written. */
const HEARD_GRAIN_MS = 1_000;

/** When a client was heard, and was sent messages of consumers, as the attachment of its socket keeps it. */
export class Presence {
  readonly #attachment: Attachment;
  #heardKeptAt: number;

  constructor(attachment: Attachment) {
    this.#attachment = attachment;
    this.#heardKeptAt = attachment.heardAt;
  }

  /** It has sent something. @returns Whether that is to be written: not so with every frame. */
  heard(nowMs: number): boolean {
    this.#attachment.heardAt = nowMs;
    return nowMs - this.#heardKeptAt >= HEARD_GRAIN_MS;
  }

  /** The attachment is written. */
  kept(): void {
    this.#heardKeptAt = this.#attachment.heardAt;
  }

  /** It was sent messages of a consumer. */
  pushed(nowMs: number): void {
    this.#attachment.pushedAt = nowMs;
  }

  /**
   * When the client counts as gone unless it sends something before; undefined for one that never pinged, as it need
   * not ping now.
   *
   * @param pingedAt When the runtime last answered a ping of it.
   */
  goneAt(pingedAt: number | undefined): number | undefined {
    return pingedAt === undefined ? undefined : Math.max(pingedAt, this.#attachment.heardAt) + LIMITS.idleCloseMs;
  }

  /**
   * Whether the client has sent nothing since it got a consumer's messages. Once it has, it is not checked again until
   * more is sent: what it does not acknowledge is redelivered anyway.
   */
  isOwing(pingedAt: number): boolean {
    const { pushedAt, heardAt } = this.#attachment;
    return pushedAt !== undefined && pushedAt >= Math.max(pingedAt, heardAt);
  }
}
