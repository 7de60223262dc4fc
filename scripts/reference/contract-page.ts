import {
  COMMON_ERRORS,
  ErrorCode,
  ERRORS,
  isLimitName,
  LIMIT_MEANINGS,
  LIMITS,
  METHODS,
  NOTIFICATIONS,
} from "../../rpc/index.ts";
import type { MethodSpec } from "../../rpc/index.ts";

import { defaultOf, valueText } from "./defaults.ts";
import { anchorOf, code, table } from "./markdown.ts";
import { rightsSection } from "./rights.ts";
import { formsOf } from "./schema.ts";
import type { Field } from "./schema.ts";

const BYTE_UNITS: [unit: string, bytes: number][] = [
  ["GiB", 1_073_741_824],
  ["MiB", 1_048_576],
  ["KiB", 1_024],
];
const SECOND_MS = 1_000;

/** docs/reference.md: all that the contract says. */
export function contractPage(): string {
  const sections = [
    "# Reference",
    "<!-- Generated from rpc/ by `npm run reference`. -->",
    "Every method, right, notification, error and limit. How they work together is in [protocol.md](protocol.md), the " +
      "client's own options and events are in [client.md](client.md). `rpc.discover` returns the same as an OpenRPC document.",
    "A field with `?` may be left out: it is its default then, or does not apply. Sizes are bytes of UTF-8.",
    "## Methods",
    table(
      ["method", "what it does"],
      methods().map(([name, { description }]) => [`[${code(name)}](#${anchorOf(name)})`, description]),
    ),
    `Any method may answer ${COMMON_ERRORS.join(", ")}; the others are named with each.`,
    ...methods().flatMap(methodSection),
    ...rightsSection(),
    "## Notifications",
    ...Object.entries(NOTIFICATIONS).flatMap(([name, { params, description }]) => [
      `### ${name}`,
      description,
      ...formsOf(params).map(resultTable),
    ]),
    "## Errors",
    table(
      ["code", "name", "meaning", "`data`"],
      Object.entries(ERRORS).map(([name, { meaning, data = "" }]) => [codeOf(name), name, meaning, data]),
    ),
    "## Limits",
    table(
      ["limit", "value", "what it bounds"],
      Object.entries(LIMIT_MEANINGS).map(([name, meaning]) => [code(name), valueOf(name), meaning]),
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
    ...formsSection("Params", formsOf(params), (fields) => paramsTable(name, fields)),
    ...formsSection("Result", formsOf(result), resultTable),
    ...own,
  ];
}

function formsSection(title: string, forms: Field[][], tableOf: (fields: Field[]) => string): string[] {
  return forms.flatMap((fields, index) => {
    const heading = index === 0 ? `**${title}**` : `or`;
    return fields.length === 0 ? [`**${title}**: none`] : [heading, tableOf(fields)];
  });
}

function paramsTable(method: string, fields: Field[]): string {
  const rows = fields.map((field) => {
    const value = field.default === undefined ? defaultOf(method, field.path) : valueText(field.default);
    return [nameOf(field), field.type, field.isRequired ? "" : value, field.description];
  });
  return table(["field", "type and range", "default", "what it is"], rows);
}

/** The forms of a value are told where it is a param. */
function resultTable(fields: Field[]): string {
  const told = fields.filter(({ form }) => form === undefined);
  const rows = told.map((field) => [nameOf(field), field.type, field.description]);
  return table(["field", "type", "what it is"], rows);
}

function nameOf({ path, form, isRequired }: Field): string {
  return code(path) + (isRequired ? "" : " ?") + (form === undefined ? "" : ` of ${form}`);
}

function codeOf(name: string): string {
  const found = Object.entries(ErrorCode).find(([each]) => each === name);
  return String(found?.[1]);
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
