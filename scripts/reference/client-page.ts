import { isMethodName } from "../../rpc/index.ts";

import { declarationOf } from "./docstrings.ts";
import type { Declaration, Docstring, Member } from "./docstrings.ts";
import { anchorOf, code, table } from "./markdown.ts";

/** docs/client.md: options, methods and events of the client and of the binding, by the docstrings of their declarations. */
export function clientPage(): string {
  const client = declarationOf("client.ts", "DurableStream");
  const contract = declarationOf("methods/contract-methods.ts", "ContractMethods");
  const binding = declarationOf("binding.ts", "DurableStreamsBinding");
  const sections = [
    "# Client",
    "<!-- Generated from the docstrings of rpc/ by `npm run reference`. -->",
    "The options, methods and events of `durable-stream/client`. An editor shows the same text. The fields of params and " +
      "results are in [reference.md](reference.md), and how to use it all in [the guide](guide.md).",
    ...docs(client),
    ...fieldsSection("Options", declarationOf("client-options.ts", "DurableStreamOptions")),
    "## Connection",
    ...methodsOf({ members: client.members.filter(({ name }) => ["state", "close"].includes(name)) }),
    ...fieldsSection("ConnectionChange", declarationOf("client/connection/connection.ts", "ConnectionChange"), "###"),
    "## Following",
    ...methodsOf({ members: client.members.filter(({ name }) => name === "subscribe") }),
    ...fieldsSection("Options of a subscription", subscriptionOptions(), "###"),
    "### Subscription",
    ...docs(declarationOf("client/subscriptions/subscription.ts", "Subscription")),
    ...methodsOf(declarationOf("client/subscriptions/subscription.ts", "Subscription"), "####"),
    "## Events",
    ...["Delivery", "Gap", "EpochChange", "ConsumerDelivery"].flatMap((name) =>
      fieldsSection(name, declarationOf("client/subscriptions/events.ts", name), "###"),
    ),
    "## Methods",
    ...docs(contract),
    ...methodsOf({ members: client.members.filter(({ name }) => name === "call") }),
    ...fieldsSection("Options of a call", declarationOf("client/calls/pending-call.ts", "CallOptions"), "###"),
    ...methodsOf(contract),
    "## Objects",
    ...docs(declarationOf("client/objects/objects.ts", "Objects")),
    ...methodsOf(declarationOf("client/objects/objects.ts", "Objects"), "###", "objects."),
    ...fieldsSection("Options of a put", declarationOf("client/objects/headers.ts", "PutParams"), "###"),
    "## Errors",
    ...docs(declarationOf("client/error.ts", "DurableStreamError")),
    "All names with their `data` are in [reference.md](reference.md#errors).",
    "## From another Worker",
    ...docs(binding),
    ...methodsOf(binding, "###", "binding."),
    ...["BindingDelivery", "BindingClosed", "BindingSubscription"].flatMap((name) =>
      fieldsSection(name, declarationOf("binding.ts", name), "###"),
    ),
  ];
  return `${sections.join("\n\n")}\n`;
}

/** Of a handler there is one option more than of a loop. */
function subscriptionOptions(): Declaration {
  return declarationOf("client/subscriptions/subscription.ts", "HandlerOptions");
}

/** Options or an event as a table of its fields. */
function fieldsSection(title: string, declaration: Declaration, level = "##"): string[] {
  const fields = declaration.members.flatMap((member) => flat(member));
  const hasDefaults = fields.some(({ defaultValue }) => defaultValue !== "");
  const rows = fields.map((field) => [
    code(field.name) + (field.isOptional ? " ?" : ""),
    code(typeOf(field)),
    ...(hasDefaults ? [oneLine(field.defaultValue)] : []),
    field.about,
  ]);
  const examples = fields.map(({ example }) => example).filter((example) => example !== "");
  const head = ["field", "type", ...(hasDefaults ? ["default"] : []), "what it is"];
  return [`${level} ${title}`, ...docs(declaration), ...(rows.length === 0 ? [] : [table(head, rows)]), ...examples];
}

/** A field, and those within it. */
function flat(member: Member, prefix = ""): Member[] {
  const name = `${prefix}${member.name}`;
  return [{ ...member, name }, ...member.members.flatMap((each) => flat(each, `${name}.`))];
}

function typeOf({ type, signature, members }: Member): string {
  if (members.length > 0) {
    return `{ ${members.map(({ name, isOptional }) => (isOptional ? `${name}?` : name)).join(", ")} }`;
  }
  return signature === undefined ? type : signature.slice(signature.indexOf("("));
}

/** Methods, and getters, one after the other; the signatures of an overloaded one under one heading. */
function methodsOf({ members }: { members: readonly Member[] }, level = "###", prefix = ""): string[] {
  return members.flatMap((member, index) => {
    const heading = members[index - 1]?.name === member.name ? [] : [`${level} ${prefix}${member.name}`];
    return [...heading, ...signatureSection(member), ...docs(member)];
  });
}

/** A method of the contract has its params and its result in the reference. */
function signatureSection({ name, signature, type }: Member): string[] {
  if (isMethodName(name) && signature?.includes("Params<") === true) {
    return [`[Params and result](reference.md#${anchorOf(name)})`];
  }
  const text = signature ?? `${name}: ${type}`;
  return [`\`\`\`ts\n${text}\n\`\`\``];
}

function docs({ about, params, returns, throws, example }: Docstring): string[] {
  const told = params.map(([name, text]) => `- ${code(name)}: ${lowered(oneLine(text))}`);
  return [
    about,
    told.join("\n"),
    returns === "" ? "" : `Returns: ${oneLine(returns)}`,
    throws === "" ? "" : `Throws: ${oneLine(throws)}`,
    example,
  ].filter((text) => text !== "");
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ");
}

/** A sentence behind a colon; one that begins with a name or a number of the code stays as it is. */
function lowered(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
