import { join } from "node:path";

import { BaseSequencer } from "vitest/node";
import type { TestSpecification } from "vitest/node";

import { LONG_RUNS } from "../../lengths.ts";

/** Of `npm test`, each more than a minute. */
const SLOW = [
  "test/e2e/package/package.test.ts",
  "test/e2e/access/key-endpoint.test.ts",
  "test/e2e/console/objects/uploads.test.ts",
  "test/e2e/console/consumers/consumers.test.ts",
  "test/e2e/start.test.ts",
  "test/e2e/console/objects/objects.test.ts",
  "test/e2e/console/messages/messages.test.ts",
];

const root = join(import.meta.dirname, "../../..");
const places = new Map([...SLOW, ...LONG_RUNS].map((file, place) => [join(root, file), place]));

/** The order in which files begin: what takes longest does first, so that no core is idle while one of them is left. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- no array
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => placeOf(one) - placeOf(other));
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  return places.get(moduleId) ?? places.size;
}
