import type { PublishCall, PublishReply } from "../../internal/calls.ts";
import { Gathering } from "../../platform/scheduling/gathering.ts";

/** Most size of the calls of one commit: a single one may exceed it. */
const COMMIT_BYTES = 4_194_304;

type Waiting = {
  readonly call: PublishCall;
  readonly resolve: (reply: PublishReply) => void;
  readonly reject: (reason: unknown) => void;
};

/** After a commit of several calls, so many commits wait for company. */
const COMPANY_COMMITS = 16;

/** Of the commits of single calls, one in so many is followed by a wait, to see whether there is company. */
const PROBE_COMMITS = 16;

/**
 * Group commit of the calls of several gateways. Calls that come after a commit, until all is {@link Gathering | gathered} that was
 * on its way, are committed together. A lone caller, whose next call comes when the one before is answered, has its calls committed
 * at once.
 */
export class GroupCommit {
  readonly #commit: (calls: readonly PublishCall[]) => readonly PublishReply[];
  #waiting: Waiting[] = [];
  readonly #gathering = new Gathering();
  #isBusy = false;
  /** How many of the next commits wait for company. */
  #waits = 0;
  #commits = 0;

  /** @param commit Commits calls in their order, all or none, and returns the reply of each. */
  constructor(commit: (calls: readonly PublishCall[]) => readonly PublishReply[]) {
    this.#commit = commit;
  }

  /** Commits a call. @throws What the commit throws, which then holds none of its calls. */
  async add(call: PublishCall): Promise<PublishReply> {
    const { promise, resolve, reject } = Promise.withResolvers<PublishReply>();
    this.#waiting.push({ call, resolve, reject });
    this.#gathering.look();
    if (!this.#isBusy) {
      this.#isBusy = true;
      void this.#run();
    }
    return promise;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#take();
      this.#flush(group);
      this.#waits = group.length > 1 ? COMPANY_COMMITS : Math.max(0, this.#waits - 1);
      this.#commits += 1;
      if (this.#waits > 0 || this.#commits % PROBE_COMMITS === 0) {
        await this.#gathering.whenGathered();
      }
    }
    this.#isBusy = false;
  }

  #take(): Waiting[] {
    let [count, bytes] = [0, 0];
    for (const { call } of this.#waiting) {
      bytes += call.bytes.reduce((sum, each) => sum + each, 0);
      if (count > 0 && bytes > COMMIT_BYTES) {
        break;
      }
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  #flush(group: readonly Waiting[]): void {
    try {
      const replies = this.#commit(group.map(({ call }) => call));
      for (const [index, reply] of replies.entries()) {
        group[index]?.resolve(reply);
      }
    } catch (error) {
      group.forEach(({ reject }) => reject(error));
    }
  }
}
