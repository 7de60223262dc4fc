import * as v from "valibot";

/** A whole number from 1 to `most`. */
export function upTo(most: number) {
  return v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(most));
}
