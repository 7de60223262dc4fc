import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { describe, expect, it } from "vitest";

import { METHOD_TRAITS, METHODS } from "../../../rpc/index.ts";
import type { MethodTraits } from "../../../rpc/index.ts";

import { FIELD_QUESTIONS, HEAD, METHOD_QUESTIONS, POINTED_AT } from "../package/hovers.ts";
import { LanguageServer } from "../package/language-server.ts";
import { root } from "./pages.ts";

const docs = join(root, "docs");

/** Runs the script and tells its exit code. */
async function reference(...flags: string[]): Promise<number> {
  try {
    await promisify(execFile)(process.execPath, [join(root, "scripts/reference.ts"), ...flags]);
    return 0;
  } catch (error) {
    return (error as { code: number }).code;
  }
}

it("has in README.md and docs/ what the contract and the docstrings of the client say", async () => {
  expect(await reference("--check")).toBe(0);
});

it.each([
  ["docs/reference.md", /^\| `stream` .*\n/m],
  ["docs/client.md", /^\| `publishTimeoutMs` .*\n/m],
  ["README.md", /^\| `manage` .*\n/m],
])("finds that %s is not what it should be, and writes it anew", async (name, row) => {
  const folder = await mkdtemp(join(tmpdir(), "durable-stream-reference-"));
  await mkdir(join(folder, "docs"));
  for (const page of ["docs/reference.md", "docs/client.md", "README.md"]) {
    await copyFile(join(root, page), join(folder, page));
  }
  const right = await readFile(join(folder, name), "utf8");
  await writeFile(join(folder, name), right.replace(row, ""));

  const stale = await reference("--check", folder);
  const written = await reference(folder);
  const now = await readFile(join(folder, name), "utf8");
  await rm(folder, { recursive: true });

  expect([stale, written]).toEqual([1, 0]);
  expect(now).toBe(right);
});

describe("docs/reference.md", () => {
  it("tells of every method what it takes, and the range, unit and default of every param", async () => {
    const methods = await methodSections();

    expect(Object.keys(METHODS).filter((name) => !methods.has(name))).toEqual([]);
    const subscribe = methods.get("subscribe");
    expect(subscribe).toMatch(/\| `maxInFlight` \? \| integer 1 to 10,000 \| 256 \| /);
    expect(subscribe).toMatch(/\| `ackWaitMs` \? \| integer 100 to 3,600,000 ms \| 30,000 \| /);
    for (const form of ['"first"` or `"new"', "{ sequence, time?, previousPublishedAt? }", "{ time }", "{ last }"]) {
      expect(subscribe).toContain(`\`${form}\``);
    }
    expect(subscribe).toMatch(/\| `from.last` of `\{ last \}` \| integer from 0 \| +\| \w+/);
  });

  it("says something of every field, and the same default in words", async () => {
    const faults: string[] = [];
    for (const [method, text] of await methodSections()) {
      const rows = [...text.matchAll(/^\| `([^`]+)`.*$/gm)].map(([row, name = ""]) => ({
        name,
        cells: row.split(/(?<!\\)\|/).map((cell) => cell.trim()),
      }));
      for (const { name, cells } of rows) {
        const isOfFields = rows.some((other) => other.name.startsWith(`${name}.`));
        const about = cells.at(-2) ?? "";
        const inWords = /(`[^`]+`|\b[\d,]+) unless given/.exec(about)?.[1];
        const given = cells.length === 6 ? cells.at(-3)?.replaceAll('"', "") : inWords;
        if (about === "" && !isOfFields) {
          faults.push(`${method} ${name} has no words`);
        }
        if (inWords !== undefined && given !== inWords) {
          faults.push(`${method} ${name}: ${inWords} is not ${given}`);
        }
      }
    }

    expect(faults).toEqual([]);
  });

  it("has each method under the right that it needs", async () => {
    const text = await readFile(join(docs, "reference.md"), "utf8");
    const section = text.slice(text.indexOf("\n## Rights\n"), text.indexOf("\n## Notifications\n"));
    const rows = new Map(
      [...section.matchAll(/^\| `([\w.]+)` \| ([^|]*) \|/gm)].map(([, action = "", methods = ""]) => [action, methods]),
    );

    for (const [method, { right, on }] of Object.entries<MethodTraits>(METHOD_TRAITS)) {
      const under = [...rows].filter(([, methods]) => methods.includes(`\`${method}\``)).map(([action]) => action);
      const needs = typeof right === "object" ? [right.stream, right.consumer] : [right];
      const isNamed = on !== "subscription" && right !== undefined && right !== "itself";
      expect([method, new Set(under)]).toEqual([method, new Set(isNamed ? needs : [])]);
      expect(section).toContain(`\`${method}\``);
    }
  });
});

describe("docs/client.md", () => {
  it("has what an editor shows of every option, method and event", { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(root, "node_modules/.hovers-"));
    const lines = HEAD.replaceAll('"durable-stream/client"', '"../../rpc/client.ts"');
    const own = lines.replaceAll('"durable-stream"', '"../../rpc/index.ts"');
    const questions = [...POINTED_AT, ...METHOD_QUESTIONS, ...FIELD_QUESTIONS];
    const program = own + questions.map(({ line }) => line).join("\n");
    await using server = await LanguageServer.start(join(root, "node_modules/typescript/bin/tsc"), folder);

    const hovers = await server.hovers("pointed-at.ts", program);
    await rm(folder, { recursive: true });

    const page = plain(await readFile(join(docs, "client.md"), "utf8"));
    const isOfErrors = (index: number) => questions[index]?.line.startsWith("void data.") ?? false;
    const told = hovers.flatMap(({ name, about }, index) => {
      const [first = ""] = about.split(/\n\n|\n\*@/);
      return isOfErrors(index) || questions[index]?.line.includes("error.data") ? [] : [{ name, first: plain(first) }];
    });
    expect(told.length).toBeGreaterThan(60);
    expect(told.filter(({ first }) => first === "")).toEqual([]);
    expect(told.filter(({ first }) => !page.includes(first))).toEqual([]);
  });
});

/** Text without the marks and breaks that differ between a page and an editor. */
function plain(text: string): string {
  return text
    .replaceAll(/\[([^\]]+)\]\([^)]*\)/g, "$1")
    .replaceAll(/[`*\\]/g, "")
    .replaceAll(/\s+/g, " ")
    .trim();
}

/** The text of each method, by its name. */
async function methodSections(): Promise<Map<string, string>> {
  const text = await readFile(join(docs, "reference.md"), "utf8");
  const methods = text.slice(text.indexOf("\n### "), text.indexOf("\n## Rights\n"));
  return new Map(
    methods
      .split("\n### ")
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf("\n")), section]),
  );
}
