import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect, it } from "vitest";

import type { Directory } from "../../src/directory/directory.ts";
import { directoryOf } from "../../src/internal/directory-calls.ts";
import type { StreamNews } from "../../src/internal/directory-calls.ts";

/** What happens to one name, as its streams see it. */
const STEPS = ["create", "delete", "fail to delete", "branch", "come late"] as const;

const anySteps = fc.array(
  fc.record({
    what: fc.constantFrom(...STEPS, "come late" as const),
    /** How many calls get there of those that one step makes: of the others nobody knows whether they come late. */
    arrive: fc.nat(3),
    /** Which of the calls that were made comes once more. */
    late: fc.nat(1_000),
  }),
  { maxLength: 40 },
);
type Step = (typeof anySteps extends fc.Arbitrary<(infer S)[]> ? S : never) & object;

/** The streams of one name, as `Listing` has them say what they say; every call may come late, and any number of times. */
class Name {
  readonly #name: string;
  readonly #directory: Directory;
  readonly #calls: StreamNews[] = [];
  #epochs = 0;
  #stream: Omit<StreamNews, "name" | "exists"> | undefined;
  #isTold = true;

  constructor(name: string, directory: Directory) {
    this.#name = name;
    this.#directory = directory;
  }

  take({ what, arrive, late }: Step): void {
    const call = this.#calls[late % Math.max(1, this.#calls.length)];
    if (what === "come late" && call !== undefined) {
      this.#directory.tell(call);
    } else if (what === "create" && this.#stream === undefined) {
      this.#begin();
      this.#tell(arrive);
    } else if (what === "branch" && this.#stream !== undefined) {
      this.#begin(this.#stream.deletions);
      this.#tell(arrive);
    } else if (what.endsWith("delete") && this.#stream !== undefined) {
      this.#stream = { ...this.#stream, deletions: this.#stream.deletions + 1 };
      this.#isTold = false;
      if (this.#say(false, what === "delete" ? 9 : arrive) && what === "delete") {
        this.#stream = undefined;
        this.#isTold = true;
      } else {
        this.#tell(arrive);
      }
    }
  }

  /** What is listed in the end, and what exists. */
  outcome(): [listed: string | undefined, exists: string | undefined] {
    this.#tell(9);
    const { names, epochs } = this.#directory.list({ prefix: this.#name, after: "", rows: 2 });
    return [epochs[names.indexOf(this.#name)], this.#stream?.epoch];
  }

  #begin(deletions = 0): void {
    this.#epochs += 1;
    // The clock may stand still, or go back.
    this.#stream = { epoch: `${this.#name}-${this.#epochs}`, createdAt: 1_000 - this.#epochs, deletions };
    this.#isTold = false;
  }

  #tell(arrive: number): void {
    if (!this.#isTold) {
      this.#isTold = this.#stream === undefined || this.#say(true, arrive);
    }
  }

  /** @returns Whether it was answered. */
  #say(exists: boolean, arrive: number): boolean {
    let replaces: string | undefined;
    for (let calls = 0; this.#stream !== undefined; calls += 1) {
      const news: StreamNews = { ...this.#stream, name: this.#name, exists };
      if (replaces !== undefined) {
        news.replaces = replaces;
      }
      this.#calls.push(news);
      if (calls >= arrive) {
        return false;
      }
      replaces = this.#directory.tell(news);
      if (replaces === undefined) {
        return true;
      }
    }
    return false;
  }
}

it("lists what exists whatever comes late, twice, or not at all", async () => {
  await runInDurableObject(directoryOf(env), (directory) => {
    let names = 0;
    fc.assert(
      fc.property(anySteps, (steps) => {
        names += 1;
        const name = new Name(`order-${names}`, directory);
        steps.forEach((step) => name.take(step));
        const [listed, exists] = name.outcome();
        expect(listed).toBe(exists);
      }),
      { numRuns: 3_000 },
    );
  });
});
