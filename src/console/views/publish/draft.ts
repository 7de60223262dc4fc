import { LIMITS, PublishParams } from "../../../../rpc/index.ts";
import type { PublishBatchParams } from "../../../../rpc/index.ts";
import { formatBytes, formatNumber } from "../../parts/format.ts";
import { parseJson } from "../../parts/json-text.ts";
import { parseCount } from "../../parts/quantities.ts";
import { faultOf } from "../../parts/valid.ts";

/** What is typed. */
export type Draft = {
  /** How `text` is read: as one value, as a text, or as a value a line. */
  readonly form: "json" | "text" | "lines";
  readonly text: string;
  readonly subject: string;
  /** `name: value`, one a line. */
  readonly headers: string;
  readonly id: string;
  readonly lastSequence: string;
};

export const EMPTY_DRAFT: Draft = { form: "json", text: "", subject: "", headers: "", id: "", lastSequence: "" };

/** What is published: one message, or several with consecutive sequences. */
export type Publishing =
  | { readonly method: "publish"; readonly params: PublishParams }
  | { readonly method: "publishBatch"; readonly params: PublishBatchParams };

export type Read = {
  /** Undefined while something is wrong. */
  readonly publishing: Publishing | undefined;
  /** What is wrong, by field. */
  readonly faults: Partial<Record<keyof Draft, string>>;
  /** Of the largest message, as the server counts it. */
  readonly bytes: number;
  readonly messages: number;
};

const UTF8 = new TextEncoder();

/** Reads what is typed, by the contract's own rules. */
export function readDraft(stream: string, draft: Draft): Read {
  const { entries } = PublishParams;
  const data = dataOf(draft);
  const headers = headersOf(draft.headers);
  const subject = draft.subject.trim();
  const lastSequence = draft.lastSequence.trim() === "" ? undefined : parseCount(draft.lastSequence);
  const common = {
    ...(subject === "" ? {} : { subject }),
    ...("value" in headers && headers.value.length > 0 ? { headers: Object.fromEntries(headers.value) } : {}),
  };
  const sizes = "values" in data ? data.values.map((value) => sizeOf({ ...common, data: value, id: draft.id })) : [];
  const bytes = Math.max(0, ...sizes);
  const found = {
    text: "fault" in data ? data.fault : sizeFault(sizes),
    subject: subject === "" ? undefined : faultOf(entries.subject, subject),
    headers: "fault" in headers ? headers.fault : faultOf(entries.headers, common.headers),
    id: draft.id === "" ? undefined : faultOf(entries.id, draft.id),
    lastSequence:
      draft.lastSequence.trim() !== "" && lastSequence === undefined ? "A whole number from 0 on." : undefined,
  };
  const faults = Object.fromEntries(Object.entries(found).filter(([, fault]) => fault !== undefined));
  const isFaulty = Object.keys(faults).length > 0 || !("values" in data);
  const params = {
    stream,
    ...(draft.id === "" ? {} : { id: draft.id }),
    ...(lastSequence === undefined ? {} : { expect: { lastSequence } }),
  };
  return {
    publishing: isFaulty ? undefined : publishingOf(draft, data.values, { params, common }),
    faults,
    bytes,
    messages: sizes.length,
  };
}

type Parts = { params: Omit<PublishParams, "data">; common: Pick<PublishParams, "subject" | "headers"> };

function publishingOf({ form }: Draft, values: readonly unknown[], { params, common }: Parts): Publishing {
  return form === "lines"
    ? { method: "publishBatch", params: { ...params, messages: values.map((data) => ({ data, ...common })) } }
    : { method: "publish", params: { ...params, ...common, data: values[0] } };
}

function dataOf({ form, text }: Draft): { values: readonly unknown[] } | { fault: string } {
  if (form === "text") {
    return { values: [text] };
  }
  if (form === "json") {
    const parsed = parseJson(text);
    return "fault" in parsed ? parsed : { values: [parsed.value] };
  }
  const values: unknown[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() !== "") {
      const parsed = parseJson(line);
      if ("fault" in parsed) {
        return { fault: parsed.fault.replace("at line 1,", `at line ${index + 1},`) };
      }
      values.push(parsed.value);
    }
  }
  const most = LIMITS.batchMessages;
  if (values.length > most) {
    return { fault: `${formatNumber(values.length)} messages are more than one batch has: ${most}.` };
  }
  return values.length === 0 ? { fault: "One value of JSON a line, and at least one." } : { values };
}

function headersOf(text: string): { value: [string, string][] } | { fault: string } {
  const headers = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    const [, name = "", value = ""] = /^\s*([^:]*?)\s*:\s*(.*?)\s*$/.exec(line) ?? [];
    if (line.trim() !== "" && name === "") {
      return { fault: `Line ${index + 1} is not “name: value”.` };
    }
    if (headers.has(name)) {
      return { fault: `Line ${index + 1}: there is a header of this name already.` };
    }
    if (name !== "") {
      headers.set(name, value);
    }
  }
  return { value: [...headers] };
}

function sizeFault(sizes: readonly number[]): string | undefined {
  const index = sizes.findIndex((size) => size > LIMITS.messageBytes);
  const size = sizes[index];
  return size === undefined
    ? undefined
    : `Message ${index + 1} has ${formatBytes(size)}: more than the ${formatBytes(LIMITS.messageBytes)} of one.`;
}

/** Bytes of a message as JSON text. */
function sizeOf({ data, subject, headers, id }: { data: unknown; subject?: string; headers?: object; id: string }) {
  try {
    const text = JSON.stringify({ subject, headers, id: id === "" ? undefined : id, data });
    return UTF8.encode(text).length - "{}".length;
  } catch {
    // Safe: it is nested too deeply to be written, which the client says when it is published.
    return 0;
  }
}
