import { Option } from "commander";
import type { Command } from "commander";

import type { StreamEvent } from "../../client.ts";
import type { From, Message } from "../../index.ts";
import type { Cli } from "../cli.ts";
import { command } from "../command.ts";
import { gapText, pagesOf } from "../messages/pages.ts";
import { escaped, timeText } from "../text.ts";
import { from, given, whole } from "../values.ts";

type Options = {
  readonly from: From;
  readonly filter?: string;
  readonly untilEnd?: true;
  readonly count?: number;
  readonly data?: true;
};

/** Messages on their way to a follower: enough to fill the way to a distant server. */
const IN_FLIGHT = 2_000;

/** `sub`: the messages of a stream from its first on. */
export function subCommand(cli: Cli): Command {
  return followCommand(cli, "sub", "follow a stream from its first message, or from where --from says", [
    "first",
    "first",
  ]);
}

/** `tail`: `sub` that begins with the last messages. */
export function tailCommand(cli: Cli): Command {
  return followCommand(cli, "tail", "follow a stream from its last ten messages: `sub --from last:10`", [
    { last: 10 },
    "last:10",
  ]);
}

function followCommand(cli: Cli, name: string, summary: string, [start, text]: [From, string]): Command {
  return command(`${name} <stream>`, {
    summary,
    examples: [
      [`${name} orders`, "follow it until Ctrl-C"],
      [`${name} orders --from 1h --filter 'orders.eu.>'`, "of one hour ago and later"],
      [`${name} orders --from first --until-end | jq .data`, "all that is there now"],
    ],
  })
    .addOption(
      new Option("--from <start>", "first, new, a sequence, a time, 5m (ago), last:N")
        .argParser(from)
        .default(start, text),
    )
    .option("--filter <subject>", "only these subjects: * is one token, a last > the rest")
    .option("--until-end", "stop at what was the last message when it began; creates no stream")
    .option("-n, --count <n>", "stop after n messages", whole(1))
    .option("--data", "print the data alone")
    .action((stream: string, options: Options) => follow(cli, stream, options));
}

async function follow(cli: Cli, stream: string, options: Options): Promise<void> {
  const client = await cli.connect();
  const signal = cli.inOrder();
  const { from: start, filter } = options;
  let left = options.count ?? Number.POSITIVE_INFINITY;
  /** Prints messages that came together. @returns Whether more are wanted. */
  const print = async (messages: readonly Message[]) => {
    const wanted = messages.slice(0, left);
    left -= wanted.length;
    await cli.output.write(wanted.map((message) => lineOf(cli, message, options)).join(""));
    return left > 0 && !signal.aborted;
  };
  if (options.untilEnd === true) {
    for await (const { messages } of pagesOf(cli, client, { stream, from: start, filter })) {
      if (!(await print(messages))) {
        break;
      }
    }
  } else {
    const params = given({ stream, from: start, filter, maxInFlight: Math.min(IN_FLIGHT, left) });
    const subscription = client.subscribe(params, { signal });
    // What is printed is acked when the next is asked for, and so is the last of it when the client is closed.
    for (let batch = await subscription.nextBatch(); batch.done !== true; batch = await subscription.nextBatch()) {
      if (!(await print(batch.value.flatMap((event) => messageOf(cli, event))))) {
        break;
      }
    }
    await subscription.return();
  }
  cli.throwIfInterrupted();
}

/** The message of an event; what else happens to a stream is told on stderr. */
function messageOf({ output }: Cli, event: StreamEvent): Message[] {
  if (event.type === "message") {
    const { sequence, publishedAt, subject, data, headers, id } = event;
    return [given({ sequence, publishedAt, subject, data, headers, id })];
  }
  output.note(event.type === "gap" ? gapText(event) : `the stream was ${event.reason}: its sequences begin anew`);
  return [];
}

function lineOf({ output }: Cli, message: Message, { data: isDataOnly }: Options): string {
  if (!output.form.isHuman) {
    return output.line(isDataOnly === true ? message.data : message);
  }
  const { sequence, publishedAt, subject, data, headers, id } = message;
  const text = escaped(typeof data === "string" ? data : JSON.stringify(data));
  if (isDataOnly === true) {
    return `${text}\n`;
  }
  const more = [
    ...(headers === undefined ? [] : Object.entries(headers).map(([name, value]) => `${name}=${value}`)),
    ...(id === undefined ? [] : [`id=${id}`]),
  ];
  const head = `${output.paint("bold", String(sequence))}  ${output.paint("dim", timeText(publishedAt))}`;
  const parts = [head, ...(subject === undefined ? [] : [escaped(subject)]), text];
  return `${[...parts, ...more.map((each) => output.paint("dim", escaped(each)))].join("  ")}\n`;
}
