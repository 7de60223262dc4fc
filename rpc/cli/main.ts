#!/usr/bin/env node
import process from "node:process";

import { CommanderError } from "commander";

import { Cli } from "./cli.ts";
import { EXIT_CODES, failureOf, interrupted } from "./failure.ts";
import { programOf } from "./program.ts";

/** How long the connection may take to close after a failure, when nothing is left to wait for. */
const HURRY = { timeoutMs: 200 };

void main();

/** Runs the command line of this process, and ends it with the code that says what became of it. */
async function main(): Promise<void> {
  const cli = new Cli(process);
  const ending = new AbortController();
  watchSignals(cli, ending.signal);
  const code = await run(cli);
  ending.abort();
  await Promise.all([process.stdout, process.stderr].map(flushed));
  process.exit(code);
}

async function run(cli: Cli): Promise<number> {
  try {
    await Promise.race([programOf(cli).parseAsync(process.argv), cli.ended]);
    await cli.close();
    return EXIT_CODES.ok[0];
  } catch (error) {
    if (error instanceof CommanderError) {
      // It has said what is wrong, or shown the help that was asked for.
      return error.exitCode === 0 ? EXIT_CODES.ok[0] : EXIT_CODES.usage[0];
    }
    const failure = failureOf(error, cli.isOnline);
    cli.output.progress("");
    if (failure.message !== "") {
      cli.output.fail(failure.message);
    }
    await cli.close(HURRY);
    return failure.exitCode;
  }
}

/**
 * The first signal ends the command in order, if it has an order to end in; the second one at once.
 *
 * @param ending When only its output has to be read yet: then the first one does too.
 */
function watchSignals(cli: Cli, ending: AbortSignal): void {
  let isStopping = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (isStopping || ending.aborted) {
        process.exit(interrupted(signal).exitCode);
      }
      isStopping = true;
      cli.interrupt(signal);
    });
  }
}

/**
 * Waits until what was written has left this process, which its end does not do for a pipe: however little it is, it stays
 * here while the reader is slow. An output that is gone is not waited for.
 */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) {
    return;
  }
  await new Promise<void>((resolve) => {
    stream.write("", () => resolve());
  });
}
