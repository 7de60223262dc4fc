import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import type { TestProjectConfiguration } from "vitest/config";

import { completeRun } from "./test/e2e/suite/complete-run.ts";
import { LongestFirst } from "./test/e2e/suite/longest-first.ts";
import { lengthsOf, LONG, LONG_RUNS, ONLY_LONG, SHORT } from "./test/lengths.ts";

// The key of the tests is the one given below, whatever a local .env holds.
process.env["CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV"] = "false";
// Else each run begins with the warning that there is none.
process.env["WRANGLER_LOG"] = "error";

/** The key that the tests' tokens are signed with: HS256 without a `kid`. */
const TEST_TOKEN_KEYS = JSON.stringify({ keys: [{ kty: "oct", k: "dGVzdC1rZXk".repeat(4) }] });

/** How long a test looks for what must come: long enough for a machine that stalls. */
const PATIENCE_MS = 10_000;

/** The tests of a project: in the mode `long` those that have a length, else all that have a short form. */
function filesOf(mode: string, include: string[], ofProject: (file: string) => boolean) {
  const isLong = mode === "long";
  return {
    include: isLong ? LONG_RUNS.filter(ofProject) : include,
    exclude: isLong ? [] : ONLY_LONG,
    provide: { lengths: lengthsOf(isLong ? LONG : SHORT, process.env) },
  };
}

/** They measure the memory of a server, which a machine that is busy with other tests makes more of. */
const MEASURED = ["test/e2e/bounds/bounds.test.ts"];

const isEndToEnd = (file: string) => file.startsWith("test/e2e/");
const isClient = (file: string) => file.startsWith("test/client/");

type EndToEnd = { name: string; isMeasured: boolean; maxWorkers: number; groupOrder: number };

/** Tests that run a whole server beside themselves: they go after the others are done, but for long ones. */
function endToEnd(mode: string, { name, isMeasured, maxWorkers, groupOrder }: EndToEnd): TestProjectConfiguration {
  const isOne = (file: string) => isEndToEnd(file) && MEASURED.includes(file) === isMeasured;
  const { include, exclude, provide } = filesOf(mode, isMeasured ? MEASURED : ["test/e2e/**/*.test.ts"], isOne);
  return {
    plugins: [completeRun()],
    test: {
      name,
      include,
      exclude: isMeasured ? exclude : [...exclude, ...MEASURED],
      provide,
      globalSetup: "test/e2e/server/global-setup.ts",
      isolate: true,
      maxWorkers,
      testTimeout: 60_000,
      expect: { poll: { timeout: PATIENCE_MS } },
      hookTimeout: 60_000,
      sequence: { groupOrder },
      env: { CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "true" },
    },
  };
}

export default defineConfig(({ mode }) => ({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        plugins: [
          completeRun(),
          cloudflareTest({
            // At that level workerd tells every exception as uncaught, also those that a caller was given. It is the
            // only word of one that an alarm, a timer or waitUntil ended with: set this to look for such.
            verbose: process.env["WORKERD_VERBOSE"] !== undefined,
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              // Whatever a test before has met, each fault is logged.
              bindings: {
                API_KEY: "test-key",
                TOKEN_KEYS: TEST_TOKEN_KEYS,
                GATEWAY_SHARDS: "2",
                MAX_STREAM_BYTES: "8388608",
                LOG_WINDOW_MS: "0",
              },
            },
          }),
        ],
        test: {
          name: "workerd",
          ...filesOf(
            mode,
            [
              "test/{access,binding,client-in-workers,consumers,gateway,http,internal,json-rpc,methods,objects,platform,publishing,runtime,stream}/**/*.test.ts",
            ],
            (file) => !isEndToEnd(file) && !isClient(file),
          ),
          setupFiles: ["test/harness/well-formed-failures.ts", "test/harness/fresh-storage.ts"],
          // A worker runs file after file in one workerd, which `fresh-storage` clears between them.
          isolate: false,
          maxWorkers: 3,
          testTimeout: 20_000,
          expect: { poll: { timeout: PATIENCE_MS } },
          sequence: { groupOrder: 0 },
        },
      },
      {
        plugins: [completeRun()],
        test: {
          name: "client",
          ...filesOf(mode, ["test/client/**/*.test.ts"], isClient),
          isolate: true,
          maxWorkers: 3,
          testTimeout: 20_000,
          expect: { poll: { timeout: PATIENCE_MS } },
          sequence: { groupOrder: 0 },
        },
      },
      endToEnd(mode, { name: "node", isMeasured: false, maxWorkers: 3, groupOrder: mode === "long" ? 0 : 1 }),
      endToEnd(mode, { name: "measured", isMeasured: true, maxWorkers: 1, groupOrder: 2 }),
    ],
  },
}));
