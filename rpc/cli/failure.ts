import { DurableStreamError } from "../client.ts";

/** The exit codes, each with what it says. `--help` prints them. */
export const EXIT_CODES = {
  ok: [0, "done"],
  refused: [1, "the server refused it; the line on stderr begins with the name of the error, like `NotFound:`"],
  usage: [2, "the arguments or the input can not be understood"],
  offline: [3, "there is no connection to the server"],
  local: [4, "a file or a command on this machine failed"],
  interrupted: [130, "ended by Ctrl-C (SIGINT); 143 by SIGTERM, 129 by SIGHUP"],
} as const satisfies Record<string, readonly [code: number, meaning: string]>;

const SIGNAL_CODES: Readonly<Record<string, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** Why a command ends before it is done: an exit code and one line for stderr. */
export class Failure extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Refused here, because of what the server has. @param name The name of the server's error that says the same. */
export function refused(name: "Conflict", message: string): Failure {
  return new Failure(EXIT_CODES.refused[0], `${name}: ${message}`);
}

/** Arguments or input that can not be understood. */
export function usage(message: string): Failure {
  return new Failure(EXIT_CODES.usage[0], message);
}

/** No connection to the server. */
export function offline(reason: string): Failure {
  return new Failure(EXIT_CODES.offline[0], `no connection: ${reason}`);
}

/** A file or a command on this machine failed. */
export function local(message: string): Failure {
  return new Failure(EXIT_CODES.local[0], message);
}

/** Ended by a signal. It needs no words. */
export function interrupted(signal: string): Failure {
  return new Failure(SIGNAL_CODES[signal] ?? EXIT_CODES.interrupted[0], "");
}

/** The output can not be written. When whoever read it is gone, as `head` is after its lines, that is no fault. */
export function outputFailed(error: NodeJS.ErrnoException): Failure {
  return error.code === "EPIPE"
    ? new Failure(EXIT_CODES.ok[0], "")
    : local(`the output can not be written: ${error.message}`);
}

/**
 * What any error means for who started the command.
 *
 * @param isOnline Whether a connection is open: without one, a call that was not answered failed for want of it.
 */
export function failureOf(error: unknown, isOnline: boolean): Failure {
  if (error instanceof Failure) {
    return error;
  }
  if (error instanceof DurableStreamError) {
    const isUnanswered = error.name === "Unavailable" || error.name === "OutcomeUnknown";
    const code = isUnanswered && !isOnline ? EXIT_CODES.offline[0] : EXIT_CODES.refused[0];
    return new Failure(code, `${error.name}: ${error.message}${factsOf(error)}`);
  }
  return local(error instanceof Error ? error.message : String(error));
}

/** The facts of an error, so that a script needs no other call to find them. */
function factsOf({ data }: DurableStreamError): string {
  const facts = JSON.stringify(data);
  return facts === "{}" ? "" : ` ${facts}`;
}
