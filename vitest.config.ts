import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

declare module "vitest" {
  export interface ProvidedContext {
    modelRuns?: number;
  }
}

// The key of the tests is the one given below, whatever a local .env holds.
process.env["CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV"] = "false";

/** How long a test looks for what must come: long enough for a machine that stalls. */
const PATIENCE_MS = 10_000;

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              bindings: { API_KEY: "test-key", GATEWAY_SHARDS: "2", MAX_STREAM_BYTES: "8388608" },
            },
          }),
        ],
        test: {
          name: "workerd",
          // Sequences of commands that the consumer cursor is checked with, against its model.
          provide: { modelRuns: Number(process.env["MODEL_RUNS"] ?? 20_000) },
          include: ["test/{unit,methods,delivery,durability,runtime}/**/*.test.ts"],
          // Each file gets a workerd and storage of its own; tests within one share them.
          maxWorkers: 2,
          testTimeout: 20_000,
          expect: { poll: { timeout: PATIENCE_MS } },
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "node",
          include: ["test/{client,e2e}/**/*.test.ts"],
          globalSetup: "test/e2e/global-setup.ts",
          // A test here runs a whole server beside itself, so files take turns, after the others are done.
          maxWorkers: 1,
          testTimeout: 60_000,
          expect: { poll: { timeout: PATIENCE_MS } },
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
          env: { CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "true" },
        },
      },
    ],
  },
});
