// Compiled, not run, against the installed package; package.test.ts does, with the package's own types checked.
import { LIMITS, METHODS } from "durable-stream";
import type { DurableStreamsBinding, Message, PublishResult } from "durable-stream";
import { bindingError } from "durable-stream/binding";
import type { BindingProps } from "durable-stream/binding";
import { DurableStream, DurableStreamError, SchemaError } from "durable-stream/client";
import type { StandardSchema, StreamEvent } from "durable-stream/client";

export const client = new DurableStream({ url: "https://example.com", token: "key" });
export const stored: Promise<PublishResult> = client.publish({ stream: "orders", data: { any: ["json"] } });
export const sequence: Promise<number> = stored.then((result) => result.sequence);
export const frame: number = LIMITS.frameBytes + Object.keys(METHODS).length;

export async function follow(): Promise<Message[]> {
  const messages: Message[] = [];
  for await (const event of client.subscribe({ stream: "orders", from: "first" })) {
    if (event.type === "message") {
      messages.push(event);
    }
  }
  return messages;
}

/** An error's data follows from its name. */
export function told(error: unknown): number | string | undefined {
  if (!(error instanceof DurableStreamError)) {
    return undefined;
  }
  switch (error.name) {
    case "Conflict":
      return error.data.lastSequence ?? error.data.revision ?? error.data.etag;
    case "RateLimited":
      return error.data.retryAfterMs;
    case "TooLarge":
      return error.data.what + String(error.data.limit) + (error.data.use ?? "");
    case "InvalidParams":
      return error.data.issues.map(({ path, reason }) => path + reason).join();
    default:
      // @ts-expect-error no other error has it
      return error.data.lastSequence;
  }
}

export function misread(error: DurableStreamError): unknown {
  // @ts-expect-error which data it has is not known before its name is
  const early: unknown = error.data.lastSequence;
  // @ts-expect-error no such error
  const other = error.name === "Conflicted";
  // @ts-expect-error a conflict has no such fact
  const sequence: unknown = error.name === "Conflict" && error.data.sequence;
  // @ts-expect-error not the data of this error
  return [early, other, sequence, new DurableStreamError("TooLarge", "made up", { data: { revision: 1 } })];
}

export const props: BindingProps = { streams: ["orders"], actions: ["publish"] };

export async function bound(streams: DurableStreamsBinding): Promise<number> {
  const { subscription, epoch } = await streams.subscribe({ stream: "orders" }, ({ messages, gap }) => {
    void [messages.map((message) => message.sequence), gap?.reason];
  });
  await subscription.unsubscribe();
  const { messages } = await streams.getMessages({ stream: "orders", epoch });
  await streams.getServerInfo();
  return messages.length;
}

export async function putSized(streams: DurableStreamsBinding, data: ReadableStream, size: number): Promise<string> {
  try {
    return (await streams.putObject({ key: "large", data, size, ifNoneMatch: "*" })).etag;
  } catch (error) {
    return `${bindingError(error)?.name}`;
  }
}

export async function mistakes(streams: DurableStreamsBinding): Promise<void> {
  // @ts-expect-error a param that is misspelt
  await client.publish({ stream: "orders", dato: 1 });
  // @ts-expect-error a param of another type
  await streams.getMessages({ stream: "orders", limit: "10" });
  // @ts-expect-error a result has no such field
  void (await streams.getState({ stream: "orders" })).version;
  // @ts-expect-error a method that does not exist
  await streams.republish({ stream: "orders" });
  // @ts-expect-error a method that needs a socket
  await streams.ack({ subscription: 1, through: 1 });
}

type Order = { item: string };

/** Streams by name, each with the type of its data. */
export const typed = new DurableStream<{ orders: Order; [room: `room.${string}`]: { text: string } }>({
  url: "https://example.com",
  token: "key",
});

export async function typedData(schema: StandardSchema<Order>, streams: DurableStreamsBinding<{ orders: Order }>) {
  await typed.publish({ stream: "orders", data: { item: "tea" } });
  await typed.publish({ stream: "room.1", data: { text: "hello" } });
  // @ts-expect-error of another stream
  await typed.publish({ stream: "orders", data: { text: "hello" } });
  // @ts-expect-error no such stream
  await typed.publish({ stream: "order", data: { item: "tea" } });
  // @ts-expect-error of another type
  await streams.publish({ stream: "orders", data: 5 });
  typed.subscribe({ stream: "orders" }, (event) => void (event.type === "message" && event.data.item.length));
  for await (const { data } of typed.subscribe({ stream: "orders", consumer: "packers" })) {
    void data.item;
  }
  client.subscribe({ stream: "any" }, (event: StreamEvent<Order>) => void event, {
    schema,
    onError: (error, event) => void (error instanceof SchemaError && [error.issues[0]?.message, event.type]),
  });
  const { messages } = await typed.getMessages({ stream: "orders" });
  return messages.map(({ data }) => data.item);
}
