/** A run in workerd, as that of the tests, of tests that fail with text that is not well-formed. */
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [cloudflareTest({ miniflare: { compatibilityDate: "2026-10-23" } })],
  test: { include: ["test/e2e/suite/half-pairs/failing.ts"], setupFiles: "test/harness/well-formed-failures.ts" },
});
