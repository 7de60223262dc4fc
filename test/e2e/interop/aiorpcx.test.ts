import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { describe, expect } from "vitest";

import { test } from "../server/fixtures.ts";
import { socketUrl } from "./interop.ts";

/** Debian's packages belong to Debian's Python, which need not be the first on the path. */
const PYTHONS = ["/usr/bin/python3", "python3"];

const python = PYTHONS.find((command) => {
  try {
    execFileSync(command, ["-c", "import aiorpcx, websockets"], { stdio: "ignore" });
    return true;
  } catch {
    // No such Python, or without them.
    return false;
  }
});
const where = "Debian's python3-aiorpcx and python3-websockets";

describe("Python's aiorpcX", () => {
  test.skipIf(python === undefined)(
    python === undefined ? `NOT RUN: ${where} are not installed here` : "publishes, follows, acks and reads codes",
    async ({ server }) => {
      const script = join(import.meta.dirname, "aiorpcx-peer.py");

      const { stdout } = await promisify(execFile)(python ?? "", [script, socketUrl(server), server.apiKey]);

      expect(stdout).toBe("aiorpcX did everything\n");
    },
  );
});
