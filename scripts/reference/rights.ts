import { METHOD_RIGHTS, METHOD_TRAITS } from "../../rpc/index.ts";
import type { MethodRight, MethodTraits } from "../../rpc/index.ts";

import { code, table } from "./markdown.ts";

/** A method as a right allows it: `subscribe` needs another right for a stream than for a consumer. */
type Allowed = { readonly method: string; readonly needs: MethodTraits["right"]; readonly what: string };

const TRAITS: readonly (readonly [string, MethodTraits])[] = Object.entries(METHOD_TRAITS);

/** Each method that is decided by a right, in the order of the contract, with what it is called in the table. */
const DECIDED: readonly (Allowed & { readonly bySubject: MethodTraits["bySubject"] })[] = TRAITS.filter(
  ([, { on }]) => on !== "subscription",
).flatMap(([method, { right, bySubject }]) =>
  typeof right === "object"
    ? [
        { method, needs: right.stream, bySubject, what: `${code(method)} to a stream` },
        // A consumer has its own filter: no right with subjects is of it.
        { method, needs: right.consumer, bySubject: undefined, what: `${code(method)} to a consumer` },
      ]
    : [{ method, needs: right, bySubject, what: code(method) }],
);

/** What a right says about the subjects of a method, for people. */
const BOUND = { published: "each message's subject", followed: "its `filter`", neither: "" } as const;

const [BEGIN, END] = ["<!-- What each right allows, by `npm run reference`. -->", "<!-- The end of the rights. -->"];

/** README.md with what each action of a right allows, in its place. @throws Error when the page has no such place. */
export function withRights(page: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) {
    throw new Error("README.md has no place for the rights");
  }
  const rows = METHOD_RIGHTS.map((action) => [code(action), listOf(action)]);
  return [`${before}${BEGIN}`, table(["action", "allows"], rows), `${END}${after}`].join("\n\n");
}

/** The section that says what each action of a right allows. */
export function rightsSection(): string[] {
  const named = DECIDED.filter(({ needs }) => needs === "itself").map(({ what }) => what);
  const free = DECIDED.filter(({ needs }) => needs === undefined).map(({ what }) => what);
  const commands = TRAITS.filter(([, { on }]) => on === "subscription").map(([method]) => code(method));
  return [
    "## Rights",
    "A right is `{ streams?, objects?, actions, subjects? }`, and allows each of its `actions` on each of its `streams` " +
      "(names, in which `*` stands for one token between dots and a last `>` for one or more) and `objects` (prefixes of " +
      "keys). A list that is left out names nothing. An action is one of these groups, or the name of a method.",
    table(
      ["action", "allows", "of these, with `subjects`"],
      METHOD_RIGHTS.map((action) => [code(action), listOf(action), boundedListOf(action) || "nothing"]),
    ),
    `${named.join(", ")} is in no group: a right has to name it. ${free.join(", ")} need no right. ${commands.join(", ")} ` +
      "act on what `subscribe` was allowed. `/r2` over HTTP needs what the methods do.",
  ];
}

function listOf(action: MethodRight): string {
  return of(action)
    .map(({ what }) => what)
    .join(", ");
}

function boundedListOf(action: MethodRight): string {
  return of(action)
    .flatMap(({ what, bySubject }) =>
      bySubject === undefined ? [] : [BOUND[bySubject] === "" ? what : `${what} (${BOUND[bySubject]})`],
    )
    .join(", ");
}

function of(action: MethodRight): typeof DECIDED {
  return DECIDED.filter(({ needs }) => needs === action);
}
