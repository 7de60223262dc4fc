import { CreateConsumerParams, UpdateConsumerParams } from "../../../../rpc/index.ts";
import type { ConsumerConfig, From } from "../../../../rpc/index.ts";
import { faultOf } from "../../parts/valid.ts";

/** The options of a consumer as somebody types them. An empty text is the default. */
export type Draft = {
  readonly filter: string;
  readonly ackWaitMs: string;
  readonly maxDeliver: string;
  readonly maxInFlight: string;
  /** Milliseconds, apart by commas; `none` for an empty list. */
  readonly backoffMs: string;
};
export type DraftField = keyof Draft;

/** What is wrong, by field. */
export type Faults = { readonly [Field in string]?: string };

type Options = Omit<ConsumerConfig, "from">;

export const EMPTY_DRAFT: Draft = { filter: "", ackWaitMs: "", maxDeliver: "", maxInFlight: "", backoffMs: "" };

const NUMBERS = ["ackWaitMs", "maxDeliver", "maxInFlight"] as const;
const NO_WAITS = "none";

export function draftOf({ filter, ackWaitMs, maxDeliver, maxInFlight, backoffMs }: ConsumerConfig): Draft {
  return {
    filter: filter ?? "",
    ackWaitMs: String(ackWaitMs),
    maxDeliver: String(maxDeliver),
    maxInFlight: String(maxInFlight),
    backoffMs: backoffMs.length === 0 ? NO_WAITS : backoffMs.join(", "),
  };
}

/** Reads what was typed: the options that were given, and what the contract has against them. */
export function readDraft(draft: Draft): { options: Partial<Options>; faults: Faults } {
  const options: Partial<Options> = {};
  const faults: Record<string, string> = {};
  const take = <F extends keyof Options>(field: F, value: Options[F]) => {
    const fault = faultOf(CreateConsumerParams.entries[field], value);
    if (fault === undefined) {
      options[field] = value;
    } else {
      faults[field] = fault;
    }
  };
  const filter = draft.filter.trim();
  if (filter !== "") {
    take("filter", filter);
  }
  for (const field of NUMBERS) {
    const text = draft[field].trim();
    if (text !== "") {
      take(field, wholeOf(text));
    }
  }
  const backoff = draft.backoffMs.trim();
  if (backoff !== "") {
    take(
      "backoffMs",
      backoff === NO_WAITS
        ? []
        : backoff
            .split(/[\s,]+/)
            .filter(Boolean)
            .map(wholeOf),
    );
  }
  return { options, faults };
}

/** What a draft changes of the one that it began as: `null` for what was made empty. Nothing else is sent. */
export function changesOf(before: Draft, after: Draft): { changes: Record<string, unknown>; faults: Faults } {
  const { options, faults } = readDraft(after);
  const changes: Record<string, unknown> = {};
  for (const field of Object.keys(UpdateConsumerParams.entries).filter(isField)) {
    if (before[field].trim() !== after[field].trim()) {
      changes[field] = options[field] ?? null;
    }
  }
  return { changes, faults };
}

function isField(name: string): name is DraftField {
  return Object.hasOwn(EMPTY_DRAFT, name);
}

/** A start as somebody chooses it. */
export type StartDraft = { readonly kind: StartKind; readonly value: string };
export type StartKind = "first" | "new" | "sequence" | "time" | "last";

/** Reads where to start. */
export function readStart({ kind, value }: StartDraft): { from: From } | { fault: string } {
  const text = value.trim();
  const from = startOf(kind, text);
  const fault = faultOf(CreateConsumerParams.entries.from, from);
  return fault === undefined ? { from } : { fault: text === "" ? "This start needs a value." : fault };
}

function startOf(kind: StartKind, text: string): From {
  if (kind === "sequence") {
    return { sequence: wholeOf(text) };
  }
  if (kind === "last") {
    return { last: wholeOf(text) };
  }
  // A `time` is of this machine's zone, as `datetime-local` has it.
  return kind === "time" ? { time: Date.parse(text) } : kind;
}

export function startText(from: From): string {
  if (typeof from === "string") {
    return from === "first" ? "the first message" : "new messages";
  }
  if ("last" in from) {
    return `the last ${from.last}`;
  }
  const parts = [
    ...("sequence" in from ? [`sequence ${from.sequence}`] : []),
    ...(from.time === undefined ? [] : [new Date(from.time).toISOString()]),
  ];
  return parts.join(", ");
}

/** NaN, which no schema takes, for what is no whole number: `1e3` and `0x10` too. */
function wholeOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

export function isSameDraft(one: Draft, other: Draft): boolean {
  return Object.keys(EMPTY_DRAFT)
    .filter(isField)
    .every((field) => one[field].trim() === other[field].trim());
}
