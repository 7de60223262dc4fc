import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, inject, it, vi } from "vitest";

import { ErrorCode, LIMITS } from "../../../rpc/index.ts";
import type { ErrorName } from "../../../rpc/index.ts";
import { ProducerLog } from "./producer-log.ts";
import type { Numbered } from "./producer-log.ts";
import { pass, published, ScriptedServer, standing, watch } from "../scripted-server.ts";
import type { ScriptedSocket, SentCall, Watched } from "../scripted-server.ts";

const { producerRuns: PRODUCER_RUNS } = inject("lengths");

/** Some milliseconds each. */
const LONG_RUN = { timeout: 20_000 + PRODUCER_RUNS * 20 };

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function producerOf({ params }: SentCall): unknown {
  return params["producer"];
}

function failure(name: ErrorName, data: object = {}): object {
  return { code: ErrorCode[name], message: "no", data };
}

describe("numbers", () => {
  it("count the messages of each stream, batches included, and leave out what the caller says itself", async () => {
    const client = server.client();
    watch(client.publish({ stream: "a", data: 1 }));
    watch(client.publishBatch({ stream: "a", messages: [{ data: 2 }, { data: 3 }] }));
    watch(client.publish({ stream: "a", data: 4, id: "mine" }));
    watch(client.publish({ stream: "a", data: 5 }));
    watch(client.publish({ stream: "b", data: 6 }));
    await pass();

    expect(server.socket.calls().map(producerOf)).toMatchObject([
      { sequence: 1 },
      { sequence: 2 },
      undefined as never,
      { sequence: 4 },
      { sequence: 1 },
    ]);
  });

  it.each([[{}], [[]]])("leave a frame readable whose params are %j", async (params) => {
    const client = server.client({ url: "https://stream.test/stream/s" });
    const publish = watch(client.publish(params as never));
    await pass();

    const [call] = server.socket.calls();
    server.socket.answer({ id: call?.id, error: failure("InvalidParams", { issues: [] }) });
    expect(await standing(publish)).toMatchObject({ error: { name: "InvalidParams" } });
  });

  it("leave room in a frame for the longest name", async () => {
    const client = server.client({ producer: "\u0001".repeat(64), queue: { bytes: 10 * LIMITS.frameBytes } });
    const largest = LIMITS.frameBytes - 1_024 - JSON.stringify({ stream: "s", data: "" }).length;
    watch(client.publish({ stream: "s", data: "x".repeat(largest) }));
    const tooLarge = watch(client.publish({ stream: "s", data: "x".repeat(largest + 1) }));
    await pass();
    const at = { epoch: Number.MAX_SAFE_INTEGER - 2 ** 32, sequence: Number.MAX_SAFE_INTEGER };
    server.socket.answer({ id: server.socket.calls()[0]?.id, result: { producer: at } });
    await pass();

    const [, frame = ""] = server.socket.frames;
    expect(frame.length).toBeGreaterThan(LIMITS.frameBytes - 1_024);
    expect(frame.length).toBeLessThanOrEqual(LIMITS.frameBytes);
    expect(tooLarge.outcome).toMatchObject({ error: { name: "TooLarge" } });
  });

  it("begin again in the next epoch after a refusal, from where the epoch before ended", async () => {
    const client = server.client();
    const [, refused, behind] = [1, 2, 3].map((data) => watch(client.publish({ stream: "s", data })));
    await pass();
    const [one, two, three] = server.socket.calls();
    server.socket.answer(
      { id: one?.id, result: published(1) },
      { id: two?.id, error: failure("StorageFull") },
      { id: three?.id, error: failure("Conflict", { producer: { epoch: 0, sequence: 1 } }) },
    );
    await pass();

    const [again] = server.socket.calls().slice(3);
    expect(again?.params["data"]).toBe(3);
    expect(producerOf(again ?? expect.fail())).toMatchObject({
      epoch: 1,
      sequence: 1,
      after: { epoch: 0, sequence: 1 },
    });
    expect(refused?.outcome).toMatchObject({ error: { name: "StorageFull" } });
    expect(behind?.outcome).toBe("pending");
  });

  it("of what is stored in the epoch before are asked for alone, before the next epoch closes that", async () => {
    const client = server.client();
    const first = watch(client.publish({ stream: "s", data: 1 }));
    await pass();
    server.socket.end();
    await pass(1);
    const { socket } = server;
    const refuse = (call: SentCall | undefined, error: object) => socket.answer({ id: call?.id, error });
    const second = watch(client.publish({ stream: "s", data: 2 }));
    await pass();
    // The first attempt is stored only now.
    refuse(socket.calls()[0], failure("Busy", { limit: 1, retryAfterMs: 1 }));
    refuse(socket.calls()[1], failure("Forbidden"));
    await pass(1);
    const [, , renumbered] = socket.calls();
    expect(producerOf(renumbered ?? expect.fail())).toMatchObject({ epoch: 1, sequence: 1 });
    refuse(renumbered, failure("Conflict", { producer: { epoch: 0, sequence: 1 } }));
    watch(client.publish({ stream: "s", data: 3 }));
    await pass();

    const [, , , asked] = socket.calls();
    expect(socket.calls()).toHaveLength(4);
    expect(producerOf(asked ?? expect.fail())).toMatchObject({ epoch: 0, sequence: 1 });
    socket.answer({ id: asked?.id, result: published(1) });
    await pass();
    const [third] = socket.calls().slice(4);
    expect(producerOf(third ?? expect.fail())).toMatchObject({
      epoch: 2,
      sequence: 1,
      after: { epoch: 0, sequence: 1 },
    });
    expect(first.outcome).toEqual({ value: published(1) });
    expect(second.outcome).toMatchObject({ error: { name: "Forbidden" } });
  });

  it("go on in a new epoch where the stream does not know the producer any more", async () => {
    const client = server.client();
    watch(client.publish({ stream: "s", data: 1 }));
    await pass();
    server.socket.answer({ id: server.socket.calls()[0]?.id, result: published(1) });
    await pass();
    const second = watch(client.publish({ stream: "s", data: 2 }));
    await pass();
    const unknown = { producer: { epoch: 0, sequence: 0 } };
    server.socket.answer({ id: server.socket.calls()[1]?.id, error: failure("Conflict", unknown) });
    await pass();

    const again = server.socket.calls()[2];
    expect(producerOf(again ?? expect.fail())).toMatchObject({
      epoch: 1,
      sequence: 1,
      after: { epoch: 0, sequence: 0 },
    });
    server.socket.answer({ id: again?.id, result: published(1) });
    expect(await standing(second)).toEqual({ value: published(1) });
  });

  it("of a stream that had nothing for long are forgotten, and begin in a new epoch", async () => {
    const client = server.client();
    server.onConnect = (socket) => {
      socket.onCall = ({ id }) => queueMicrotask(() => socket.answer({ id, result: published(1) }));
      queueMicrotask(() => socket.open());
    };
    for (let stream = 0; stream <= 1_001; stream += 1) {
      watch(client.publish({ stream: `s${stream}`, data: 1 }));
    }
    await pass(10);
    watch(client.publish({ stream: "s0", data: 2 }));
    watch(client.publish({ stream: "s1001", data: 2 }));
    await pass();

    const [forgotten, remembered] = server.socket.calls().slice(-2).map(producerOf);
    expect(forgotten).toMatchObject({ epoch: 1, sequence: 1 });
    expect(remembered).toMatchObject({ epoch: 0, sequence: 2 });
  });
});

describe("a publish that its caller has given up", () => {
  it("is asked for again where it may be stored, so that those behind it keep their order", async () => {
    const client = server.client({ publishTimeoutMs: 1_000, answerTimeoutMs: 60_000 });
    const first = watch(client.publish({ stream: "s", data: 1 }));
    await pass();
    server.onConnect = () => undefined;
    server.socket.end();
    await pass(1_000);
    expect(first.outcome).toMatchObject({ error: { name: "OutcomeUnknown" } });
    const second = watch(client.publish({ stream: "s", data: 2 }));
    await pass();
    server.socket.open();
    await pass();

    expect(server.socket.calls().map(({ params }) => params["data"])).toEqual([1, 2]);
    server.socket.answer(...server.socket.calls().map(({ id }, index) => ({ id, result: published(index + 1) })));
    expect(await standing(second)).toEqual({ value: published(2) });
  });

  it("takes no number where it was never sent", async () => {
    const client = server.client({ publishTimeoutMs: 1_000 });
    server.onConnect = () => undefined;
    const first = watch(client.publish({ stream: "s", data: 1 }));
    await pass(1_000);
    expect(first.outcome).toMatchObject({ error: { name: "Unavailable" } });
    watch(client.publish({ stream: "s", data: 2 }));
    await pass();
    server.socket.open();
    await pass();

    expect(server.socket.calls().map(producerOf)).toMatchObject([{ epoch: 0, sequence: 1 }]);
  });
});

describe("a producer with a name", () => {
  it("asks where it is, takes over, and is refused once another has", async () => {
    const client = server.client({ producer: "pump" });
    const first = watch(client.publish({ stream: "s", data: 1 }));
    await pass();
    const [asked] = server.socket.calls();
    expect(asked).toMatchObject({ method: "getProducer", params: { stream: "s", producer: "pump" } });
    expect(server.socket.calls()).toHaveLength(1);
    server.socket.answer({ id: asked?.id, result: { producer: { id: "pump", epoch: 7, sequence: 9 } } });
    await pass();

    const [, publish] = server.socket.calls();
    const { epoch, ...rest } = Object(publish?.params["producer"]);
    expect(epoch).toBeGreaterThan(7);
    expect(rest).toEqual({ id: "pump", sequence: 1 });
    const takenOver = failure("Conflict", { producer: { epoch: epoch + 1, sequence: 3 } });
    server.socket.answer({ id: publish?.id, error: takenOver });
    expect(await standing(first)).toMatchObject({ error: { name: "Conflict", data: { producer: { sequence: 3 } } } });
    watch(client.publish({ stream: "s", data: 2 }));
    await pass();
    // It does not take the producer back.
    expect(producerOf(server.socket.calls()[2] ?? expect.fail())).toMatchObject({ epoch });
  });

  it("is not asked for by a publish that is still being made ready", async () => {
    const client = server.client({ producer: "pump", fetch: () => new Promise(() => undefined) });
    watch(client.objects.publishOrPut({ stream: "s", data: "x".repeat(LIMITS.objectBodyBytes + 1) }, "k"));
    watch(client.getState({ stream: "s" }));
    await pass(10);

    expect(server.socket.calls("getProducer")).toEqual([]);
  });

  it("tells every publish why it can not be asked for", async () => {
    const client = server.client({ producer: "pump" });
    const publish = watch(client.publish({ stream: "s", data: 1 }));
    await pass();
    server.socket.answer({ id: server.socket.calls()[0]?.id, error: failure("Forbidden") });

    expect(await standing(publish)).toMatchObject({ error: { name: "Forbidden" } });
  });
});

it("stops what is behind a refused one in a strict order, and goes on with what is called then", async () => {
  const client = server.client({ order: "strict" });
  const [refused, behind] = [1, 2].map((data) => watch(client.publish({ stream: "s", data })));
  await pass();
  const [one, two] = server.socket.calls();
  server.socket.answer(
    { id: one?.id, error: failure("StorageFull") },
    { id: two?.id, error: failure("Conflict", { producer: { epoch: 0, sequence: 0 } }) },
  );
  await pass();
  watch(client.publish({ stream: "s", data: 3 }));
  await pass();

  expect(refused?.outcome).toMatchObject({ error: { name: "StorageFull" } });
  expect(behind?.outcome).toMatchObject({ error: { name: "Unavailable" } });
  expect(
    server.socket
      .calls()
      .slice(2)
      .map(({ params }) => params["data"]),
  ).toEqual([3]);
});

/** What a run does next, each with a number that says to which of several. */
const STEPS = [
  // More often, as the faults that were found took several of them: losses, late ones and refusals of a gateway.
  "cut",
  "cut",
  "busy",
  "executeLate",
  "forbid",
  "forbid",
  "answer",
  "answer",
  "publish",
  "execute",
  "unknown",
  "publish",
  "publishBatch",
  "execute",
  "executeLate",
  "refuse",
  "forbid",
  "busy",
  "unknown",
  "answer",
  "cut",
  "wait",
];

/**
 * A server that decides as a stream does, and a network that loses answers and delivers requests of lost sockets late.
 * What it does is said from without.
 */
class Network {
  readonly log = new ProducerLog();
  /** Sent and not carried out, in the order of each socket. */
  readonly #arrived = new Map<ScriptedSocket, SentCall[]>();
  /** Carried out later, whatever was said of them. */
  readonly #late: SentCall[] = [];
  readonly #answers: (() => void)[] = [];

  connect(socket: ScriptedSocket): void {
    const calls: SentCall[] = [];
    this.#arrived.set(socket, calls);
    socket.onCall = (call) => calls.push(call);
    queueMicrotask(() => socket.open());
  }

  execute(pick: number, verdict?: "refuse" | "forbid" | "busy" | "unknown"): void {
    const waiting = [...this.#arrived].filter(([, calls]) => calls.length > 0);
    const [socket, calls] = waiting[pick % Math.max(1, waiting.length)] ?? [];
    const call = calls?.shift();
    if (socket === undefined || call === undefined) {
      return;
    }
    const answer = this.#verdictOf(call, verdict);
    this.#answers.push(() => {
      if (socket === server.socket && !socket.isClosed) {
        socket.answer({ id: call.id, ...answer });
      }
    });
  }

  executeLate(pick: number): void {
    const [call] = this.#late.splice(pick % Math.max(1, this.#late.length), 1);
    if (call !== undefined) {
      this.log.publish(numberedOf(call));
    }
  }

  /** Delivers the oldest answer. */
  answer(): void {
    this.#answers.shift()?.();
  }

  /** The socket is gone; what it brought is carried out late, if it is. */
  cut(): void {
    const { socket } = server;
    socket.end();
    this.#late.push(...(this.#arrived.get(socket) ?? []));
    this.#arrived.delete(socket);
  }

  get isIdle(): boolean {
    return this.#answers.length === 0 && [...this.#arrived.values()].every((calls) => calls.length === 0);
  }

  #verdictOf(call: SentCall, verdict: "refuse" | "forbid" | "busy" | "unknown" | undefined): object {
    if (verdict === "unknown") {
      this.#late.push(call);
      return { error: failure("OutcomeUnknown") };
    }
    if (verdict === "busy") {
      return { error: failure("Busy", { limit: 1, retryAfterMs: 1 }) };
    }
    // Forbidden is said by a gateway, which does not know whose turn it is.
    return verdict === "forbid"
      ? { error: failure("Forbidden") }
      : this.log.publish(numberedOf(call), verdict === "refuse");
  }
}

function numberedOf({ params }: SentCall): Numbered {
  const { producer, data, messages } = params as {
    producer: Numbered["producer"];
    data: number;
    messages?: { data: number }[];
  };
  return { producer, data: messages?.map((message) => message.data) ?? [data] };
}

it("stores each message once and in the order of the calls, whatever is lost, late or refused", LONG_RUN, async () => {
  const steps = fc.array(fc.tuple(fc.constantFrom(...STEPS), fc.nat({ max: 7 })), {
    minLength: 5,
    maxLength: 60,
    size: "max",
  });
  await fc.assert(
    fc.asyncProperty(steps, async (run) => {
      server = new ScriptedServer();
      const network = new Network();
      server.onConnect = (socket) => network.connect(socket);
      const client = server.client({ publishTimeoutMs: 2_000, answerTimeoutMs: 60_000 });
      const publishes: { data: number[]; watched: Watched }[] = [];
      for (const [step, pick] of run) {
        await take(step, pick);
      }
      // Then everything works again, late requests last.
      for (let round = 0; round < 400 && !(network.isIdle && publishes.every(isSettled)); round += 1) {
        network.execute(0);
        network.answer();
        await pass(round % 20 === 19 ? 6_000 : 0);
      }
      for (let late = 0; late < 200; late += 1) {
        network.executeLate(0);
      }

      check(network.log.stored, publishes);
      await client.close({ timeoutMs: 0 });

      async function take(step: string, pick: number): Promise<void> {
        const next = publishes.flatMap(({ data }) => data).length + 1;
        if (step === "publish") {
          publishes.push({ data: [next], watched: watch(client.publish({ stream: "s", data: next })) });
        } else if (step === "publishBatch") {
          const data = Array.from({ length: 1 + (pick % 3) }, (_, index) => next + index);
          const messages = data.map((one) => ({ data: one }));
          publishes.push({ data, watched: watch(client.publishBatch({ stream: "s", messages })) });
        } else if (step === "execute") {
          network.execute(pick);
        } else if (step === "refuse" || step === "forbid" || step === "busy" || step === "unknown") {
          network.execute(pick, step);
        } else if (step === "executeLate") {
          network.executeLate(pick);
        } else if (step === "answer") {
          network.answer();
        } else if (step === "cut" && server.sockets.length > 0) {
          network.cut();
        }
        await pass(step === "wait" ? pick * pick * 50 : 1);
      }
    }),
    { numRuns: PRODUCER_RUNS },
  );
});

function isSettled({ watched }: { watched: Watched }): boolean {
  return watched.outcome !== "pending";
}

function check(stored: readonly number[], publishes: readonly { data: number[]; watched: Watched }[]): void {
  expect(new Set(stored).size, `stored twice: ${stored.join()}`).toBe(stored.length);
  expect(stored, "overtaken").toEqual(stored.toSorted((a, b) => a - b));
  for (const { data, watched } of publishes) {
    const { value, error } = watched.outcome as { value?: object; error?: { name: string } };
    expect(value ?? error, `${data.join()} is not settled`).toBeDefined();
    const count = data.filter((one) => stored.includes(one)).length;
    if (value !== undefined) {
      expect(count, `${data.join()} was said to be stored`).toBe(data.length);
    } else if (error?.name === "OutcomeUnknown") {
      expect([0, data.length], `${data.join()} is stored in part`).toContain(count);
    } else {
      expect(count, `${data.join()} was said to be ${error?.name}`).toBe(0);
    }
  }
}
