import { randomBytes } from "node:crypto";

import { expect } from "vitest";

import { sharingServer } from "../server/fixtures.ts";
import { rows, run } from "./command-line.ts";

/** A secret to sign with, of 32 bytes. */
const KEY = { kty: "oct", kid: "k1", alg: "HS256", k: randomBytes(32).toString("base64url") };

const test = sharingServer({ vars: { TOKEN_KEYS: JSON.stringify({ keys: [KEY] }) } });

test("issues a token, which may do what its rights say and no more", async ({ server }) => {
  await run(server, ["pub", "room.a", "1"]);
  const rights = JSON.stringify([{ streams: ["room.*"], actions: ["read"] }]);

  const [issued] = await rows<{ token: string; expiresAt: number }>(server, [
    "token",
    "issue",
    "--rights",
    rights,
    "--subject",
    "alice",
    "--expires",
    "10m",
  ]);
  const holder = { url: server.url, apiKey: issued?.token ?? "" };

  expect(await rows(holder, ["sub", "room.a", "--until-end"])).toHaveLength(1);
  expect(await run(holder, ["pub", "room.a", "2"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("\nForbidden: "),
  });
  expect((await run(server, ["token", "issue", "--rights", "{}"])).code).toBe(2);
});
