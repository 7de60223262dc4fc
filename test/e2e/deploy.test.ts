/** What a deploy does, shown on an API of this machine; nothing here asks the network. */
import { execFile } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv, promisify } from "node:util";

import { describe, expect, it } from "vitest";
import { unstable_readConfig } from "wrangler";

import { CloudflareApi } from "./cloudflare-api.ts";
import { test as base } from "./server/fixtures.ts";

const root = join(import.meta.dirname, "../..");
const config = join(root, "wrangler.toml");

/** `test` with an empty account. */
const test = base.extend<{ api: CloudflareApi }>({
  // oxlint-disable-next-line no-empty-pattern
  api: async ({}, use) => {
    await using api = await CloudflareApi.start();
    await use(api);
  },
});

/** `npm run deploy`, without npm. @returns All it wrote. */
async function deploy(api: CloudflareApi, flags: readonly string[], env: Record<string, string> = {}) {
  const options = {
    cwd: root,
    env: { PATH: process.env["PATH"], HOME: "/nonexistent", CI: "true", ...api.environment, ...env },
  };
  const args = [join(root, "scripts/deploy.ts"), ...flags];
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, options);
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

describe("npm run deploy", () => {
  test("deploys nothing without an API_KEY, to a new Worker and to one that has none", async ({ api }) => {
    const toNew = await deploy(api, []);
    api.workers.set("durable-stream", new Set(["TOKEN_KEYS"]));
    api.buckets.add("durable-stream");
    const toOld = await deploy(api, []);

    for (const { code, output } of [toNew, toOld]) {
      expect(code).toBe(1);
      expect(output).toContain("The following required secrets have not been set: API_KEY");
    }
    expect(api.uploads).toEqual([]);
  });

  test("makes keys, the bucket and the Worker with one command, and asks for no keys from then on", async ({
    api,
    data,
  }) => {
    const file = join(data, "keys.env");

    const first = await deploy(api, ["--new-keys", file], { API_KEY: "another, of this environment" });
    const again = await deploy(api, []);

    expect([first, again]).toMatchObject([{ code: 0 }, { code: 0 }]);
    const { API_KEY = "", TOKEN_KEYS = "" } = parseEnv(await readFile(file, "utf8"));
    expect((await stat(file)).mode & 0o077).toBe(0);
    expect(API_KEY.length).toBeGreaterThanOrEqual(32);
    expect(first.output).not.toContain(API_KEY);
    expect([...api.buckets]).toEqual(["durable-stream"]);
    expect(api.uploads.map(({ worker }) => worker)).toEqual(["durable-stream", "durable-stream"]);
    const [created, upgraded] = api.uploads.map(({ metadata }) => metadata);
    expect(created?.bindings).toEqual(
      expect.arrayContaining([
        { type: "secret_text", name: "API_KEY", text: API_KEY },
        { type: "secret_text", name: "TOKEN_KEYS", text: TOKEN_KEYS },
        expect.objectContaining({ type: "r2_bucket", name: "BUCKET", bucket_name: "durable-stream" }),
      ]),
    );
    expect(upgraded?.bindings).toContainEqual({ type: "inherit", name: "API_KEY" });
    const deferred = { mode: "deferred", max_delay: 300 };
    expect([created?.code_update_strategy, ...api.strategies]).toEqual([deferred, deferred]);
    const page = [...api.assets.values()].map((text) => Buffer.from(text, "base64").toString());
    expect(page).toContainEqual(expect.stringMatching(/^<!doctype html>/));
    expect(created?.assets).toMatchObject({
      jwt: expect.any(String),
      config: { html_handling: "none", run_worker_first: ["/*", "!/assets/*"] },
    });
    expect(created?.bindings).toContainEqual({ type: "assets", name: "ASSETS" });
    expect(created?.observability).toEqual({ enabled: true, logs: { invocation_logs: false } });
  });

  test("has a staging beside it, with a Worker, a bucket and keys of its own", async ({ api, data }) => {
    api.workers.set("durable-stream", new Set(["API_KEY"]));

    const keyless = await deploy(api, ["--env", "staging"]);
    const staged = await deploy(api, ["--env", "staging", "--new-keys", join(data, "keys.env")]);

    expect([keyless, staged]).toMatchObject([{ code: 1 }, { code: 0 }]);
    expect(api.uploads.map(({ worker }) => worker)).toEqual(["durable-stream-staging"]);
    expect([...api.buckets]).toEqual(["durable-stream-staging"]);
  });

  test("refuses keys that are none before it asks anybody", async ({ api, data }) => {
    const [short, broken, kept] = [join(data, "short.env"), join(data, "broken.json"), join(data, "kept.env")];
    await writeFile(short, "API_KEY=changeme\n");
    await writeFile(broken, '{"API_KEY":"secret-text');
    await writeFile(kept, "API_KEY=of-production\n");

    const refused = await Promise.all([
      deploy(api, ["--secrets-file", short]),
      deploy(api, [`--secrets-file=${broken}`]),
      deploy(api, ["--new-keys", kept]),
      deploy(api, ["--secrets-file", join(data, "nothing")]),
      deploy(api, ["--secrets-file", data]),
      deploy(api, ["--new-keys", join(data, "nothing/keys")]),
      deploy(api, ["--new-keys", join(data, "new.env"), "--secrets-file", short]),
      deploy(api, ["--new-keys"]),
    ]);

    expect(refused.map(({ code }) => code)).toEqual(refused.map(() => 1));
    expect(refused.map(({ output }) => output.trim())).toEqual([
      expect.stringMatching(/^API_KEY in .*short\.env is shorter than 22 characters/),
      expect.stringMatching(/^.*broken\.json begins as JSON and is none$/),
      `--new-keys names ${kept}, which is there already: it takes a new file; one with keys is for --secrets-file`,
      `--secrets-file names ${join(data, "nothing")}, which is not there: it takes a file with an API_KEY, which --new-keys writes`,
      `--secrets-file names ${data}, which is a folder: it takes a file with an API_KEY, which --new-keys writes`,
      `--new-keys names ${join(data, "nothing/keys")}, whose folder is not there: it takes a new file; one with keys is for --secrets-file`,
      "--new-keys and --secrets-file exclude each other",
      "--new-keys takes a file",
    ]);
    expect(await readFile(kept, "utf8")).toBe("API_KEY=of-production\n");
    expect(api.requests).toEqual([]);
  });

  test.for([[[]], [["--env", "staging"]]] as const)(
    "shows with --dry-run %s what it would deploy, and asks nobody",
    async ([flags], { api }) => {
      const { code, output } = await deploy(api, ["--dry-run", ...flags]);

      expect(code).toBe(0);
      for (const name of ["STREAM", "GATEWAY", "UPLOAD", "DIRECTORY", "BUCKET", "GATEWAY_SHARDS"]) {
        expect(output).toContain(`env.${name}`);
      }
      expect(output).not.toContain("WARNING");
      expect(api.requests).toEqual([]);
    },
  );
});

/** What is of an environment alone. */
const ITS_OWN = ["name", "topLevelName", "targetEnvironment", "definedEnvironments", "legacy_env"];

function settings(read: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(read).filter(([name]) => !ITS_OWN.includes(name)));
}

it("gives staging all that production has, but for its name and its bucket", () => {
  const production = unstable_readConfig({ config });
  const staging = unstable_readConfig({ config, env: "staging" });

  expect(staging.name).toBe("durable-stream-staging");
  expect(settings(staging)).toEqual({
    ...settings(production),
    r2_buckets: [{ binding: "BUCKET", bucket_name: "durable-stream-staging" }],
  });
});

it("describes to the deploy button each binding that somebody has to fill in", async () => {
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const asked = Object.keys(parseEnv(await readFile(join(root, ".env.example"), "utf8")));
  const { vars, secrets, r2_buckets: buckets } = unstable_readConfig({ config });

  // The button asks for each line of .env.example as a secret that has to be there.
  expect(asked).toEqual(secrets?.required);
  const names = new Set([
    ...asked,
    ...Object.keys(vars),
    ...buckets.map(({ binding }: { binding: string }) => binding),
  ]);
  expect(new Set(Object.keys(manifest.cloudflare.bindings))).toEqual(names);
});
