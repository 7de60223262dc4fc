import { join } from "node:path";

import { expect, it } from "vitest";
import { unstable_readConfig } from "wrangler";

it("is deployed without a log event for every run of a handler, and with those of the code", () => {
  const { observability } = unstable_readConfig({ config: join(import.meta.dirname, "../../wrangler.toml") });

  expect(observability).toEqual({ enabled: true, logs: { invocation_logs: false } });
});
