import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A fixture: an empty folder of a test, removed after it. */
// Vitest wants an object pattern, also of a fixture that depends on none.
// oxlint-disable-next-line no-empty-pattern
export async function folderOf({}, use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "durable-stream-cli-"));
  await use(folder);
  await rm(folder, { recursive: true, maxRetries: 3 });
}
