import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { Gathering } from "../../../src/platform/scheduling/gathering.ts";
import { GroupCommit } from "../../../src/stream/scheduling/group-commit.ts";
import type { PublishCall, PublishReply } from "../../../src/internal/calls.ts";
import { microtasks } from "../../harness/waits.ts";

const call = (stream: string, id?: string): PublishCall => {
  const plain = { stream, bodies: ['"data":1}'], bytes: [9], counts: [1] };
  return id === undefined ? plain : { ...plain, ids: [id] };
};
const reply: PublishReply = { epoch: "e", publishedAt: 1, firstSequences: [1], duplicates: [], refusals: [] };

it("commits together what comes while it waits, and answers each call", async () => {
  const groups: number[] = [];
  const commit = new GroupCommit((calls) => {
    groups.push(calls.length);
    return calls.map(() => reply);
  });
  for (let lone = 0; lone < 15; lone += 1) {
    await commit.add(call("s"));
  }

  const replies = await Promise.all(Array.from({ length: 9 }, () => commit.add(call("s"))));

  expect(replies).toHaveLength(9);
  expect(groups).toEqual([...Array.from({ length: 16 }, () => 1), 8]);
});

it("waits no longer for company when much else has come", async () => {
  const groups: number[] = [];
  const commit = new GroupCommit((calls) => {
    groups.push(calls.length);
    return calls.map(() => reply);
  });
  for (let lone = 0; lone < 16; lone += 1) {
    await commit.add(call("s"));
  }
  const waiting = commit.add(call("s"));

  new Gathering().note({ gathered: 0, others: 16, bytes: 0 });
  const last = commit.add(call("s"));
  await microtasks();

  expect(groups.slice(16)).toEqual([2]);
  await Promise.all([waiting, last]);
});

it("fails every call of a commit that fails, and goes on", async () => {
  let isFailing = true;
  const commit = new GroupCommit((calls) => {
    if (isFailing) {
      throw new Error("disk");
    }
    return calls.map(() => reply);
  });

  const failed = await Promise.allSettled([commit.add(call("s")), commit.add(call("s"))]);
  isFailing = false;

  expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await commit.add(call("s"))).toEqual(reply);
});

it("stores an id once, whichever of the calls at one time has it", async () => {
  const stream = "group-commit-ids";
  const stub = env.STREAM.getByName(stream);

  const replies = await Promise.all(
    Array.from({ length: 40 }, (_, index) => stub.publish(call(stream, `${index % 20}`))),
  );

  expect(replies.filter(({ duplicates }) => duplicates.length === 1)).toHaveLength(20);
  const last = (await stub.publish(call(stream))).firstSequences;
  expect(last).toEqual([21]);
});
