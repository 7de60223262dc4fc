/**
 * `npm run reference`: writes docs/reference.md from the contract.
 *
 * `npm run reference -- --check` writes nothing and exits with 1 when the page is not what the contract says. Another
 * file may be named.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import {
  COMMON_ERRORS,
  ErrorCode,
  ERRORS,
  isLimitName,
  LIMIT_MEANINGS,
  LIMITS,
  METHODS,
  NOTIFICATIONS,
} from "../rpc/index.ts";
import type { MethodSpec } from "../rpc/index.ts";

import { formsOf } from "./reference/schema.ts";
import type { Field } from "./reference/schema.ts";

const BYTE_UNITS: [unit: string, bytes: number][] = [
  ["GiB", 1_073_741_824],
  ["MiB", 1_048_576],
  ["KiB", 1_024],
];
const SECOND_MS = 1_000;

const isCheck = process.argv.includes("--check");
const [path = join(import.meta.dirname, "../docs/reference.md")] = process.argv
  .slice(2)
  .filter((argument) => !argument.startsWith("--"));

const page = reference();
if (isCheck) {
  const isSame = readFileSync(path, "utf8") === page;
  console.log(isSame ? `${path} says what the contract says` : `${path} is not what the contract says`);
  process.exitCode = isSame ? 0 : 1;
} else {
  writeFileSync(path, page);
  console.log(`${path} is written`);
}

function reference(): string {
  const sections = [
    "# Reference",
    "<!-- Generated from rpc/ by `npm run reference`. -->",
    "Every method, notification, error and limit. How they work together is in [protocol.md](protocol.md). " +
      "`rpc.discover` returns the same as an OpenRPC document.",
    "## Methods",
    table(
      ["method", "what it does"],
      methods().map(([name, { description }]) => [`[\`${name}\`](#${anchorOf(name)})`, description]),
    ),
    `Any method may answer ${COMMON_ERRORS.join(", ")}; the others are named with each.`,
    ...methods().flatMap(methodSection),
    "## Notifications",
    ...Object.entries(NOTIFICATIONS).flatMap(([name, { params, description }]) => [
      `### ${name}`,
      description,
      ...formsOf(params).map(fieldTable),
    ]),
    "## Errors",
    table(
      ["code", "name", "meaning", "`data`"],
      Object.entries(ERRORS).map(([name, { meaning, data = "" }]) => [codeOf(name), name, meaning, data]),
    ),
    "## Limits",
    table(
      ["limit", "value", "what it bounds"],
      Object.entries(LIMIT_MEANINGS).map(([name, meaning]) => [`\`${name}\``, valueOf(name), meaning]),
    ),
  ];
  return `${sections.join("\n\n")}\n`;
}

function methods(): [string, MethodSpec][] {
  return Object.entries(METHODS);
}

function methodSection([name, { params, result, description, errors, needsSocket }]: [string, MethodSpec]): string[] {
  const where = needsSocket === true ? " On a WebSocket only." : "";
  const own = errors.length === 0 ? [] : [`Errors of its own: ${errors.join(", ")}.`];
  return [
    `### ${name}`,
    `${description}${where}`,
    ...formsSection("Params", formsOf(params)),
    ...formsSection("Result", formsOf(result)),
    ...own,
  ];
}

function formsSection(title: string, forms: Field[][]): string[] {
  return forms.flatMap((fields, index) => {
    const heading = index === 0 ? `**${title}**` : `or`;
    return fields.length === 0 ? [`**${title}**: none`] : [heading, fieldTable(fields)];
  });
}

function fieldTable(fields: Field[]): string {
  const rows = fields.map(({ path: name, isRequired, type, description }) => [
    `\`${name}\`${isRequired ? "" : " ?"}`,
    type,
    description,
  ]);
  return table(["field", "type", "what it is"], rows);
}

function codeOf(name: string): string {
  const found = Object.entries(ErrorCode).find(([each]) => each === name);
  return String(found?.[1]);
}

/** As the place for links that a Markdown heading gets. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\w -]/g, "");
}

/** A limit's number, and in a unit where that is a round one. */
function valueOf(name: string): string {
  if (!isLimitName(name)) {
    throw new Error(`a meaning without a limit: ${name}`);
  }
  const value = LIMITS[name];
  if (name.endsWith("Ms")) {
    return `${value / SECOND_MS} s`;
  }
  const [unit, bytes = 1] = (name.endsWith("Bytes") && BYTE_UNITS.find(([, size]) => value % size === 0)) || [];
  return `${(value / bytes).toLocaleString("en-US")}${unit === undefined ? "" : ` ${unit}`}`;
}

function table(head: string[], rows: string[][]): string {
  const lines = [head, head.map(() => "---"), ...rows.map((cells) => cells.map((cell) => cell.replaceAll("|", "\\|")))];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
