import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { directoryOf } from "../../src/internal/directory-calls.ts";
import type { StreamNews } from "../../src/internal/directory-calls.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { crash, faultDirectory } from "../harness/faults.ts";
import { holdObject } from "../harness/hold.ts";
import { evict, untilListed } from "../harness/objects.ts";

const LOST = "lost by a test";
const DAY_MS = 86_400_000;

afterEach(() => {
  vi.restoreAllMocks();
});

/** Notes what the Directory is told of a stream; `lose` says which of it is lost on its way. */
async function listen(stream: string, lose: (news: StreamNews, times: number) => boolean = () => false) {
  const told: StreamNews[] = [];
  await faultDirectory("tell", (tell, news) => {
    if (news.name !== stream) {
      return tell(news);
    }
    told.push(news);
    if (lose(news, told.length)) {
      throw new Error(LOST);
    }
    return tell(news);
  });
  return told;
}

/** The epoch that is listed for a stream; undefined for none. */
async function listedEpoch(client: TestClient, stream: string): Promise<string | undefined> {
  const { streams } = await client.call("listStreams", { prefix: stream });
  return streams.find((one) => one.stream === stream)?.epoch;
}

describe("a stream that is made", () => {
  it.each(["publish", "configureStream", "putState", "createConsumer", "subscribe"] as const)(
    "says so once, by %s",
    async (method) => {
      const [client, stream] = [await connect(), `made-by-${method}`];
      const told = await listen(stream);
      const params = { publish: { data: 1 }, putState: { state: 1 }, createConsumer: { consumer: "c" } };

      await client.call(method, { stream, ...Reflect.get(params, method) });
      await untilListed(stream);
      await client.call("publish", { stream, data: 2 });
      await evict(env.STREAM.getByName(stream));
      const { epoch, createdAt } = await client.call("getStreamInfo", { stream });
      await runDurableObjectAlarm(env.STREAM.getByName(stream));

      expect(told).toEqual([{ name: stream, epoch, createdAt, deletions: 0, exists: true }]);
    },
  );

  it("is written to while the Directory answers nothing", async () => {
    const [client, stream] = [await connect(), "not-waiting"];
    const release = await holdObject(directoryOf(env));
    onTestFinished(release);

    const made = await client.call("publish", { stream, data: 1 });
    const next = await client.call("publishBatch", { stream, messages: [{ data: 2 }, { data: 3 }] });
    await client.call("subscribe", { stream });
    await client.untilMessages(3);
    await release();
    await untilListed(stream);

    expect([made.sequence, next.firstSequence]).toEqual([1, 2]);
    expect(await listedEpoch(client, stream)).toBe(made.epoch);
  });

  it("says nothing when it is only looked at", async () => {
    const [client, stream] = [await connect(), "looked-at"];
    const told = await listen(stream);

    await client.callError("getStreamInfo", { stream });
    await client.call("getState", { stream });
    await client.call("deleteStream", { stream });

    expect(told).toEqual([]);
  });

  it("says so again, by its alarm, when that was lost", async () => {
    const [client, stream] = [await connect(), "lost-twice"];
    const told = await listen(stream, (_news, times) => times <= 2);
    const { epoch } = await client.call("publish", { stream, data: 1 });

    await vi.waitFor(async () => {
      await runDurableObjectAlarm(env.STREAM.getByName(stream));
      expect(told).toHaveLength(3);
    }, 10_000);
    await untilListed(stream);

    expect(await listedEpoch(client, stream)).toBe(epoch);
  });

  it("has its alarm set for that before its first commit, and when it fired for something else", async () => {
    const [client, stream] = [await connect(), "armed"];
    await listen(stream, () => true);
    await client.call("publish", { stream, data: 1 });

    const alarms = await runInDurableObject(env.STREAM.getByName(stream), async (object, { storage }) => {
      const first = await storage.getAlarm();
      await storage.deleteAlarm();
      object.alarm();
      return [first, await storage.getAlarm()];
    });

    expect(alarms).toEqual([expect.any(Number), expect.any(Number)]);
  });

  it("says so when it comes into memory, if the code that made it did not", async () => {
    const [client, stream] = [await connect(), "made-by-older-code"];
    const { epoch } = await client.call("publish", { stream, data: 1 });
    await untilListed(stream);
    await runInDurableObject(env.STREAM.getByName(stream), (_object, { storage: { sql } }) => {
      sql.exec(`ALTER TABLE stream DROP COLUMN listed_epoch; ALTER TABLE stream DROP COLUMN deletions;
        UPDATE schema_version SET version = 4`);
    });
    await runInDurableObject(directoryOf(env), (_object, { storage: { sql } }) => {
      sql.exec("DELETE FROM streams WHERE name = ?", stream);
    });
    await evict(env.STREAM.getByName(stream));

    const before = await listedEpoch(client, stream);
    await client.call("getState", { stream });
    await untilListed(stream);

    expect(before).toBeUndefined();
    expect(await listedEpoch(client, stream)).toBe(epoch);
  });

  it("says its new epoch when it was put back to an earlier state", async () => {
    const [client, stream] = [await connect(), "put-back"];
    const { epoch } = await client.call("publish", { stream, data: 1 });
    await untilListed(stream);

    await env.STREAM.getByName(stream).position("any", epoch, [{ sequence: 5, publishedAt: 1 }]);
    await untilListed(stream);

    const { epoch: branched } = await client.call("getStreamInfo", { stream });
    expect(branched).not.toBe(epoch);
    expect(await listedEpoch(client, stream)).toBe(branched);
  });
});

describe("a stream that is deleted", () => {
  it("says so before, and calls that come meanwhile are about the stream after it", async () => {
    const [client, stream] = [await connect(), "deleted"];
    const { epoch } = await client.call("publish", { stream, data: 1 });
    await untilListed(stream);
    const told: StreamNews[] = [];
    let meanwhile: unknown = "nothing";
    await faultDirectory("tell", async (tell, news) => {
      told.push(news);
      meanwhile = env.STREAM.getByName(stream).info();
      await scheduler.wait(0);
      return tell(news);
    });

    await client.call("deleteStream", { stream });

    expect(told).toEqual([expect.objectContaining({ epoch, exists: false, deletions: 1 })]);
    expect(await meanwhile).toBeUndefined();
    expect(await listedEpoch(client, stream)).toBeUndefined();
  });

  it("is not brought back by what comes a day late, however many were deleted since", async () => {
    const [client, stream] = [await connect(), "a-day-late"];
    const told = await listen(stream);
    await client.call("publish", { stream, data: 1 });
    await untilListed(stream);
    const [created] = told;
    await client.call("deleteStream", { stream });
    const clock = vi.spyOn(Date, "now").mockReturnValue(Date.now() + DAY_MS - 60_000);
    for (const other of ["late-1", "late-2"]) {
      await client.call("publish", { stream: other, data: 1 });
      await client.call("deleteStream", { stream: other });
    }
    clock.mockRestore();

    await runInDurableObject(directoryOf(env), (directory) => created && directory.tell(created));

    expect(created).toMatchObject({ exists: true });
    expect(await listedEpoch(client, stream)).toBeUndefined();
  });

  it("stays, and stays listed, when the Directory does not take that", async () => {
    const [client, stream] = [await connect(), "not-taken"];
    const { epoch } = await client.call("publish", { stream, data: 1 });
    await untilListed(stream);
    await listen(stream, ({ exists }) => !exists);

    const error = await client.callError("deleteStream", { stream });

    expect(error).toMatchObject({ code: ErrorCode.Unavailable });
    expect(await client.call("publish", { stream, data: 2 })).toMatchObject({ epoch, sequence: 2 });
    expect(await listedEpoch(client, stream)).toBe(epoch);
  });

  it("is listed again when only the answer was lost, and deleted by the next attempt", async () => {
    const [client, stream] = [await connect(), "answer-lost"];
    const { epoch } = await client.call("publish", { stream, data: 1 });
    await untilListed(stream);
    await faultDirectory("tell", (tell, news) => {
      const answer = tell(news);
      if (!news.exists && news.deletions === 1) {
        throw new Error(LOST);
      }
      return answer;
    });

    await client.callError("deleteStream", { stream });
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(env.STREAM.getByName(stream));
      expect(await listedEpoch(client, stream)).toBe(epoch);
    }, 10_000);
    const again = await client.call("deleteStream", { stream });

    expect(again).toEqual({ deleted: true });
    expect(await listedEpoch(client, stream)).toBeUndefined();
  });

  it("is listed again when it was lost after it had said so, and before it was deleted", async () => {
    const [client, stream] = [await connect(), "lost-between"];
    const { epoch } = await client.call("publish", { stream, data: 1 });
    await untilListed(stream);
    await faultDirectory("tell", async (tell, news) => {
      const answer = tell(news);
      if (!news.exists) {
        await runInDurableObject(env.STREAM.getByName(stream), (object) => crash(object)).catch(() => undefined);
      }
      return answer;
    });

    await client.callError("deleteStream", { stream });
    await vi.waitFor(async () => {
      // Nobody calls the stream: its alarm wakes it.
      await runDurableObjectAlarm(env.STREAM.getByName(stream));
      expect(await listedEpoch(client, stream)).toBe(epoch);
    }, 10_000);
  });

  it("is deleted once by two calls at the same time, and listed when it is made again meanwhile", async () => {
    const [client, stream] = [await connect(), "two-deletions"];
    await client.call("publish", { stream, data: 1 });

    const [one, other, { epoch }] = await Promise.all([
      client.call("deleteStream", { stream }),
      (await connect()).call("deleteStream", { stream }),
      client.call("publish", { stream, data: 2 }),
    ]);
    const { epoch: last } = await client.call("publish", { stream, data: 3 });
    await untilListed(stream);

    expect([one.deleted, other.deleted]).toContain(true);
    expect(await listedEpoch(client, stream)).toBe(last);
    expect(epoch).toBeTypeOf("string");
  });
});
