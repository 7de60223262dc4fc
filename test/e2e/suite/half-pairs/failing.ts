import { expect, it } from "vitest";

it("throws text that is half a surrogate pair", () => {
  throw new Error("thrown \ud83d");
});

it("differs by half a surrogate pair", () => {
  expect({ a: ["found \ud83d"] }).toEqual({ a: ["wanted \ude00"] });
});
