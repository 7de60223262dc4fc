/**
 * Makes the pictures of the console in `docs/console`, of every view in light and dark:
 * `npx node test/e2e/console/screenshots.ts [name…]`.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { chromium } from "playwright-core";

import { builtWorker } from "../../../scripts/server/build.ts";
import { executable } from "../browser/browser-path.ts";
import { Server } from "../server/server.ts";
import { busy, fill, PLACES } from "./places.ts";
import { signIn } from "./sign-in.ts";

const folder = join(import.meta.dirname, "../../../docs/console");
const names = process.argv.slice(2);

const data = await mkdtemp(join(tmpdir(), "durable-stream-screenshots-"));
await using server = new Server({ worker: await builtWorker(), data });
await server.start();
await fill(server);
await mkdir(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: executable ?? "", args: ["--headless", "--no-sandbox"] });
const rest = busy(server);
const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
await page.goto(server.url);
await signIn(page, server.apiKey);
for (const { name, hash, ready, drawnForMs = 0 } of PLACES.filter(
  (place) => names.length === 0 || names.includes(place.name),
)) {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await ready(page);
  await delay(drawnForMs);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const path = join(folder, `${name}-${colorScheme}.png`);
    await page.screenshot({ path, animations: "disabled" });
  }
}
await rest();
await browser.close();
await server.stop();
await rm(data, { recursive: true, maxRetries: 3 });
