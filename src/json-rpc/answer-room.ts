import { LIMITS } from "../../rpc/index.ts";
import type { RpcError } from "../../rpc/index.ts";

import type { Answer } from "./answer.ts";

/** What bounds the answers that are made for one caller and not taken by it. */
export type AnswerRoom = {
  /** Why a call with so large an answer is not to be begun, where it is known that it would wait in vain. */
  refusalOf?(bytes: number): RpcError | undefined;
  /**
   * Takes room for large answers before they are made; waits a while for it.
   *
   * @param answer Of the frame that they are a part of.
   * @returns Busy when there is none: then none is taken, and the calls are not to be begun.
   */
  reserve(bytes: number, answer: Answer): Promise<RpcError | undefined>;
  /** The answers are sent; `answer` still has them. */
  release(reservedBytes: number, answer: Answer): void;
};

/** What most large answers are taken for: as many as may be in flight fit. */
const USUAL_BYTES = LIMITS.outgoingCloseBytes / LIMITS.largeAnswersInFlight;
/** Most that is reserved for one batch: its answers are bounded by `LIMITS.batchAnswerBytes` besides. */
const BATCH_BYTES = LIMITS.outgoingCloseBytes / 2;

/** Those that are as large as their caller wants. */
const LARGEST_BYTES: ReadonlyMap<string, number> = new Map([
  ["rpc.discover", LIMITS.frameBytes / 2],
  ["getMessages", LIMITS.pageBytes],
  ["fetchMessages", LIMITS.pageBytes],
  ["getState", LIMITS.stateBytes],
  ["getObject", LIMITS.frameBytes],
]);

/** The room that the large answers of a frame need. */
export function answerBytes(methods: readonly string[]): number {
  const bytes = methods.reduce((sum, method) => sum + (LARGEST_BYTES.get(method) ?? USUAL_BYTES), 0);
  return Math.min(bytes, BATCH_BYTES);
}

/** The room of one frame: taken when its first large call is about to begin, for all of them, so that none waits for another. */
export class FrameRoom {
  readonly #answers: AnswerRoom | undefined;
  readonly #methods: readonly string[];
  #reserved = 0;
  #entered: Promise<RpcError | undefined> | undefined;

  /** @param methods Those of its calls whose answers may be large. */
  constructor(answers: AnswerRoom | undefined, methods: readonly string[]) {
    this.#answers = answers;
    this.#methods = methods;
  }

  /** To be awaited before each large call. @returns Why it is not to be begun. */
  enter(answer: Answer): Promise<RpcError | undefined> {
    this.#entered ??= this.#reserve(answer);
    return this.#entered;
  }

  /** Its answers are sent. */
  leave(answer: Answer): void {
    if (this.#reserved > 0) {
      this.#answers?.release(this.#reserved, answer);
    }
  }

  async #reserve(answer: Answer): Promise<RpcError | undefined> {
    const bytes = answerBytes(this.#methods);
    const refusal = await this.#answers?.reserve(bytes, answer);
    this.#reserved = refusal === undefined && this.#answers !== undefined ? bytes : 0;
    return refusal;
  }
}
