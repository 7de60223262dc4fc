import { describe, expect, it } from "vitest";

import { inBucketRange, readHttpDate } from "../../src/objects/http-date.ts";

const NOW_MS = Date.UTC(2026, 10, 25);

describe("a date of HTTP", () => {
  it.each([
    ["Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37.000Z"],
    ["Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37.000Z"],
    ["Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37.000Z"],
    ["Saturday, 07-Nov-76 00:00:00 GMT", "2076-11-07T00:00:00.000Z"],
    ["Sunday, 06-Nov-77 00:00:00 GMT", "1977-11-06T00:00:00.000Z"],
    ["Thu, 29 Feb 2024 23:59:60 GMT", "2024-03-01T00:00:00.000Z"],
    ["Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59.000Z"],
    ["Sat, 01 Jan 0000 00:00:00 GMT", "0000-01-01T00:00:00.000Z"],
  ])("reads %s", (text, expected) => {
    expect(readHttpDate(text, NOW_MS)?.toISOString()).toBe(expected);
  });

  it.each([
    "",
    "0",
    "2037",
    "2037-10-21T07:28:00Z",
    "Wed, 21 Oct 2037 07:28:00 +0200",
    "Wed, 21 Oct 2037 07:28 GMT",
    "wed, 21 oct 2037 07:28:00 gmt",
    "Tue, 31 Feb 2026 00:00:00 GMT",
    "Sun, 29 Feb 2026 00:00:00 GMT",
    "Wed, 00 Oct 2037 00:00:00 GMT",
    "Wed, 21 Okt 2037 00:00:00 GMT",
    "Wed, 21 Oct 2037 24:00:00 GMT",
    "Wed, 21 Oct 2037 00:60:00 GMT",
    "Wed, 21 Oct 2037 07:28:00 GMT, Wed, 21 Oct 2037 07:28:00 GMT",
  ])("is not %j", (text) => {
    expect(readHttpDate(text, NOW_MS)).toBeUndefined();
  });
});

it("comes to R2 within the centuries it counts", () => {
  expect(inBucketRange(new Date("9999-12-31T23:59:59Z")).toISOString()).toBe("2188-12-31T23:59:59.000Z");
  expect(inBucketRange(new Date("1600-12-31T23:59:59Z")).getTime()).toBe(0);
  expect(inBucketRange(new Date(NOW_MS)).getTime()).toBe(NOW_MS);
});
