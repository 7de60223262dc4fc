/** What a server keeps of tokens that it has taken: who may issue them may send any number, of any length. */
import { expect } from "vitest";

import { inSeconds, jwks, newKey, signedBy } from "../access/token-maker.ts";
import { WAYS } from "../access/ways.ts";
import { test as base } from "../server/fixtures.ts";

const TOKENS = 800;
/** How many are sent at a time. */
const AT_A_TIME = 20;
const RIGHTS = 26;
const STREAMS = 60;
/** Of any length, 1,000 of them would be kept: these take 29 then. */
const MOST_MIB = 8;
const MIB = 1_048_576;

const key = newKey("HS256", "secret");
const test = base.extend({ options: { vars: { TOKEN_KEYS: jwks(key.jwk) }, isInspected: true } });

/** A token of about 15,000 characters, of names that are in no other. */
function longToken(number: number): string {
  const nameOf = (right: number, stream: number) =>
    ((number * RIGHTS + right) * STREAMS + stream).toString(36).padStart(4, "-");
  const rights = Array.from({ length: RIGHTS }, (_, right) => ({
    streams: Array.from({ length: STREAMS }, (_unused, stream) => nameOf(right, stream)),
    actions: ["read"],
  }));
  return signedBy(key, { exp: inSeconds(600), rights });
}

test("a server keeps a bounded part of long tokens, and takes each again", { timeout: 120_000 }, async ({ server }) => {
  const inspector = await server.inspector();
  const usedMiB = async () => {
    await inspector.collectGarbage();
    const { usedSize } = await inspector.call<{ usedSize: number }>("Runtime.getHeapUsage");
    return usedSize / MIB;
  };
  const send = (number: number) => WAYS["POST /rpc"](server.url, longToken(number));
  await send(0);
  const before = await usedMiB();

  for (let sent = 0; sent < TOKENS; sent += AT_A_TIME) {
    const said = await Promise.all(Array.from({ length: AT_A_TIME }, (_, at) => send(sent + at)));
    expect(said).toEqual(said.map(() => ({ isLetIn: true })));
  }

  expect((await usedMiB()) - before).toBeLessThan(MOST_MIB);
  expect(await send(0)).toEqual({ isLetIn: true });
  inspector.close();
});
