/**
 * `npm run readme`: writes the README's tables of methods, notifications, errors and limits from the contract, between
 * `<!-- contract:methods -->` and `<!-- /contract:methods -->` and the like.
 *
 * `npm run readme -- --check` writes nothing and exits with 1 when a table is not what the contract says. Another file
 * than README.md may be named.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { toJsonSchema } from "@valibot/to-json-schema";

import { ErrorCode, ERRORS, isLimitName, LIMIT_MEANINGS, LIMITS, METHODS, NOTIFICATIONS } from "../rpc/index.ts";
import type { MethodSpec } from "../rpc/index.ts";

type Schema = MethodSpec["params"];
type JsonSchema = Omit<ReturnType<typeof toJsonSchema>, "$schema">;

const BYTE_UNITS: [unit: string, bytes: number][] = [
  ["GiB", 1_073_741_824],
  ["MiB", 1_048_576],
  ["KiB", 1_024],
];
const SECOND_MS = 1_000;

const isCheck = process.argv.includes("--check");
const [path = join(import.meta.dirname, "../README.md")] = process.argv
  .slice(2)
  .filter((argument) => !argument.startsWith("--"));

const before = readFileSync(path, "utf8");
const after = Object.entries(tables()).reduce(putTable, before);
if (after === before) {
  console.log(`${path} says what the contract says`);
} else if (isCheck) {
  console.error(`${path} does not say what the contract says: npm run readme`);
  process.exitCode = 1;
} else {
  writeFileSync(path, after);
  console.log(`${path} is written`);
}

function tables(): Record<string, string> {
  return {
    methods: methodTable(),
    notifications: table(
      ["notification", "params", "what it says"],
      Object.entries(NOTIFICATIONS).map(([name, { params, description }]) => [
        `\`${name}\``,
        fieldsOf(params),
        description,
      ]),
    ),
    errors: table(
      ["code", "name", "meaning", "`data`"],
      Object.entries(ERRORS).map(([name, { meaning, data = "" }]) => [codeOf(name), name, meaning, data]),
    ),
    limits: table(
      ["limit", "value", "what it bounds"],
      Object.entries(LIMIT_MEANINGS).map(([name, meaning]) => [`\`${name}\``, valueOf(name), meaning]),
    ),
  };
}

function methodTable(): string {
  const methods: [string, MethodSpec][] = Object.entries(METHODS);
  return table(
    ["method", "params", "result", "what it does", "errors of its own"],
    methods.map(([name, { params, result, description, errors }]) => [
      `\`${name}\``,
      fieldsOf(params),
      fieldsOf(result),
      description,
      errors.join(", "),
    ]),
  );
}

/** The fields of an object, `?` behind those that may be absent; those of each object of a union. */
function fieldsOf(schema: Schema): string {
  const { anyOf, ...whole } = toJsonSchema(schema, { errorMode: "ignore" });
  return [whole, ...(anyOf ?? [])].flatMap(fieldsOfObject).join(" or ");
}

function fieldsOfObject(schema: JsonSchema | boolean): string[] {
  if (typeof schema === "boolean" || schema.properties === undefined) {
    return [];
  }
  const { properties, required = [], additionalProperties } = schema;
  const fields = Object.keys(properties).map((name) => (required.includes(name) ? name : `${name}?`));
  if (additionalProperties !== false) {
    fields.push("…");
  }
  return [fields.length === 0 ? "–" : `\`${fields.join(", ")}\``];
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

function table(head: string[], rows: string[][]): string {
  const lines = [head, head.map(() => "---"), ...rows.map((cells) => cells.map((cell) => cell.replaceAll("|", "\\|")))];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function putTable(text: string, [name, content]: [string, string]): string {
  const [begin, end] = [`<!-- contract:${name} -->`, `<!-- /contract:${name} -->`];
  const pieces = text.split(begin);
  const [, rest = ""] = pieces;
  const endAt = rest.indexOf(end);
  if (pieces.length !== 2 || endAt === -1) {
    throw new Error(`${path} has no place, or two, for ${begin}`);
  }
  return `${pieces[0]}${begin}\n${content}\n${rest.slice(endAt)}`;
}
