/** What producers were told of the messages that they published to one stream, and a checker of what became of them. */
import type { Message } from "../../../../rpc/index.ts";

/** The data of a message: who published it, in which generation or epoch, and as its how many-th. */
export type Numbered = { by: string; generation: number; number: number };

/** Consecutive messages of one publish, and what its caller was told. */
export type Told = {
  first: Numbered;
  count: number;
  /** Of the stored: the stream's sequence of each of the messages, where it is known. */
  outcome: { kind: "stored"; sequences: number[] } | { kind: "notStored"; why: string } | { kind: "unknown" };
};

export type ProducerViolation = {
  claim: "none is lost" | "none is twice" | "none is inverted" | "refused is not stored" | "all or nothing";
  detail: string;
};

/**
 * Lists every promise to producers that is broken: what was said to be stored is there, once, where it was said to be; what
 * was refused is not; and the log has the messages of each producer in their order, older generations first.
 */
export function producerViolations(told: readonly Told[], log: readonly Message[]): ProducerViolation[] {
  const placeOf = new Map<string, number>();
  return [...orderViolations(log, placeOf), ...told.flatMap((one) => toldViolations(one, placeOf))];
}

/** Notes the place of each message, and what is twice or out of order. */
function orderViolations(log: readonly Message[], placeOf: Map<string, number>): ProducerViolation[] {
  const violations: ProducerViolation[] = [];
  const lastOf = new Map<string, Numbered>();
  for (const { sequence, data } of log) {
    const numbered = data as Numbered;
    const last = lastOf.get(numbered.by);
    const place = placeOf.get(nameOf(numbered));
    if (place !== undefined) {
      violations.push({ claim: "none is twice", detail: `${nameOf(numbered)} at ${place} and ${sequence}` });
    } else if (last !== undefined && isBefore(numbered, last)) {
      violations.push({
        claim: "none is inverted",
        detail: `${nameOf(numbered)} at ${sequence} after ${nameOf(last)}`,
      });
    }
    placeOf.set(nameOf(numbered), sequence);
    lastOf.set(numbered.by, numbered);
  }
  return violations;
}

function toldViolations({ first, count, outcome }: Told, placeOf: ReadonlyMap<string, number>): ProducerViolation[] {
  const names = Array.from({ length: count }, (_, index) => nameOf({ ...first, number: first.number + index }));
  const there = names.filter((name) => placeOf.has(name));
  const what = `${nameOf(first)} and ${count - 1} more`;
  if (outcome.kind === "stored") {
    return names.flatMap((name, index): ProducerViolation[] => {
      const place = placeOf.get(name);
      const isThere = place !== undefined && place === (outcome.sequences[index] ?? place);
      return isThere ? [] : [{ claim: "none is lost", detail: `${name} of ${what} is at ${place ?? "no place"}` }];
    });
  }
  if (outcome.kind === "notStored") {
    return there.length === 0 ? [] : [{ claim: "refused is not stored", detail: `${what}: ${outcome.why}` }];
  }
  return there.length === 0 || there.length === count ? [] : [{ claim: "all or nothing", detail: what }];
}

function nameOf({ by, generation, number }: Numbered): string {
  return `${by} ${generation}/${number}`;
}

function isBefore(one: Numbered, other: Numbered): boolean {
  return one.generation < other.generation || (one.generation === other.generation && one.number < other.number);
}
