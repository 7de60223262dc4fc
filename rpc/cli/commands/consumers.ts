import type { Command } from "commander";

import type { DurableStream } from "../../client.ts";
import type { ConsumerInfo, From } from "../../index.ts";
import type { Cli } from "../cli.ts";
import { command, group } from "../command.ts";
import { countText } from "../text.ts";
import { duration, durations, from, given, whole } from "../values.ts";
import { workCommand } from "./work.ts";

type CreateOptions = {
  readonly from?: From;
  readonly filter?: string;
  readonly ackWait?: number;
  readonly maxDeliver?: number;
  readonly maxInFlight?: number;
  readonly backoff?: number[];
};

const START = "first, new, a sequence, a time, 5m (ago), last:N";

/** `consumer create`, `ls`, `info`, `pause`, `resume`, `seek`, `rm` and `work`. */
export function consumerCommands(cli: Cli): Command {
  return group("consumer", "consumers: durable cursors that workers share", [
    createCommand(cli),
    listCommand(cli),
    asking(cli, "info", "show the config and progress of a consumer", (client, params) => client.getConsumer(params)),
    asking(cli, "pause", "deliver nothing until it is resumed; acks still count", (client, params) =>
      client.pauseConsumer({ ...params, paused: true }),
    ),
    asking(cli, "resume", "deliver again", (client, params) => client.pauseConsumer({ ...params, paused: false })),
    seekCommand(cli),
    removeCommand(cli),
    workCommand(cli),
  ]);
}

function createCommand(cli: Cli): Command {
  return command("create <stream> <consumer>", {
    summary: "create a consumer; again with the same options it changes nothing",
    examples: [
      ["consumer create orders packers --filter 'orders.eu.>' --max-deliver 3", ""],
      ["consumer create orders audit --from new --ack-wait 5m --backoff 1s,10s,1m", ""],
    ],
  })
    .option("--from <start>", `${START}; first unless given`, from)
    .option("--filter <subject>", "only these subjects: * is one token, a last > the rest")
    .option("--ack-wait <duration>", "redeliver what is not acked for so long; 30s unless given", duration)
    .option("--max-deliver <n>", "failed deliveries until it is a dead letter; 5 unless given", whole(1))
    .option("--max-in-flight <n>", "most messages in flight; 1,000 unless given, 1 for strict order", whole(1))
    .option("--backoff <durations>", "waits before the second delivery, the third and so on, like 1s,10s,1m", durations)
    .action(async (stream: string, consumer: string, options: CreateOptions) => {
      const { ackWait: ackWaitMs, backoff: backoffMs, from: start, filter, maxDeliver, maxInFlight } = options;
      const client = await cli.connect();
      const config = given({ from: start, filter, ackWaitMs, maxDeliver, maxInFlight, backoffMs });
      await cli.output.record(await client.createConsumer({ stream, consumer, ...config }));
    });
}

function listCommand(cli: Cli): Command {
  return command("ls <stream>", {
    summary: "list the consumers of a stream and how far each is",
    examples: [["consumer ls orders", ""]],
  }).action(async (stream: string) => {
    const client = await cli.connect();
    const { consumers } = await client.listConsumers({ stream });
    await cli.output.table(
      consumers,
      ["consumer", "ackFloor", "pending", "inFlight", "redelivered", "deadLetters", "subscriptions", "paused"],
      { pending: (info) => pendingText(info, "≥ ") },
    );
  });
}

/** A command that makes one call with the names of a consumer. */
function asking(
  cli: Cli,
  name: string,
  summary: string,
  call: (client: DurableStream, params: { stream: string; consumer: string }) => Promise<ConsumerInfo>,
): Command {
  return command(`${name} <stream> <consumer>`, {
    summary,
    examples: [[`consumer ${name} orders packers`, ""]],
  }).action(async (stream: string, consumer: string) => {
    await cli.output.record(await call(await cli.connect(), { stream, consumer }));
  });
}

function seekCommand(cli: Cli): Command {
  return command("seek <stream> <consumer>", {
    summary: "restart a consumer at another position: what is in flight is forgotten",
    examples: [
      ["consumer seek orders packers --from first", "deliver all again"],
      ["consumer seek orders packers --from 1h", "what was published since an hour ago"],
    ],
  })
    .requiredOption("--from <start>", START, from)
    .action(async (stream: string, consumer: string, { from: start }: { from: From }) => {
      const client = await cli.connect();
      await cli.output.record(await client.seekConsumer({ stream, consumer, from: start }));
    });
}

function removeCommand(cli: Cli): Command {
  return command("rm <stream> <consumer>", {
    summary: "delete a consumer with its dead letters; the stream keeps its messages",
    examples: [["consumer rm orders packers", "asks on a terminal"]],
  })
    .option("-y, --yes", "do not ask")
    .action(async (stream: string, consumer: string, { yes }: { yes?: true }) => {
      const client = await cli.connect();
      const info = await client.getConsumer({ stream, consumer });
      const [pending, deadLetters] = [pendingText(info, "at least "), countText(info.deadLetters)];
      await cli.confirm(
        `Delete ${consumer}, which has ${pending} messages to deliver and ${deadLetters} dead letters?`,
        yes,
      );
      await cli.output.record(await client.deleteConsumer({ stream, consumer }));
    });
}

/** What a consumer has to deliver. @param atLeast What is said before a count that still goes on. */
function pendingText({ pending, pendingIsEstimate }: ConsumerInfo, atLeast: string): string {
  return `${pendingIsEstimate === true ? atLeast : ""}${countText(pending)}`;
}
