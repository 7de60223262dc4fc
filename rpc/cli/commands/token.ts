import type { Command } from "commander";

import type { MethodParams } from "../../index.ts";
import type { Cli } from "../cli.ts";
import { command, group } from "../command.ts";
import { usage } from "../failure.ts";
import { jsonOf } from "../input.ts";
import { duration, given } from "../values.ts";

type Rights = MethodParams<"issueToken">["rights"];

type Options = {
  readonly rights: string;
  readonly subject?: string;
  readonly prefix?: string;
  readonly expires?: number;
};

/** `token issue`. */
export function tokenCommands(cli: Cli): Command {
  const issue = command("issue", {
    summary: "issue a token with some of the rights of this key, for a browser or another client",
    examples: [
      [`token issue --rights '[{"streams":["room.*"],"actions":["read"]}]' --expires 10m`, ""],
      [`token issue --rights '[{"streams":[">"],"actions":["read","publish"]}]' --prefix acme. | jq -r .token`, ""],
    ],
  })
    .requiredOption("--rights <json>", "what its holder may do, as issueToken takes it")
    .option("--subject <text>", "whom it is for")
    .option("--prefix <prefix>", "stands before every stream and object that its holder names")
    .option("--expires <duration>", "how long it lasts, at most 24h; 1h unless given", duration)
    .action(async ({ rights: json, subject, prefix, expires: expiresInMs }: Options) => {
      const rights = jsonOf(json, "--rights");
      if (!isRights(rights)) {
        throw usage('--rights is no list of rights: [{"streams":["room.*"],"actions":["read"]}]');
      }
      const client = await cli.connect();
      await cli.output.record(await client.issueToken(given({ rights, subject, prefix, expiresInMs })));
    });
  return group("token", "tokens: credentials with fewer rights than the key", [issue]);
}

/** Whether it is a list; what is in it the server checks. */
function isRights(value: unknown): value is Rights {
  return Array.isArray(value);
}
