import fc from "fast-check";
import { describe, expect, it } from "vitest";

import {
  joinMessages,
  MESSAGE_SEPARATOR,
  messageBody,
  messageText,
  splitMessages,
  utf8Bytes,
} from "../../src/internal/message-text.ts";

const text = fc.string({ unit: "binary" });

/** Any unit, so also half of a surrogate pair. */
const units = fc.array(fc.nat({ max: 0xff_ff })).map((codes) => String.fromCharCode(...codes));

const subject = fc
  .array(fc.stringMatching(/^[A-Za-z0-9_-]{1,4}$/), { minLength: 1, maxLength: 4 })
  .map((t) => t.join("."));

const message = fc.record(
  {
    data: fc.oneof(fc.jsonValue(), units, fc.constant('},\n{"sequence":1,"publishedAt":1,')),
    subject,
    headers: fc.dictionary(text, units),
    id: fc.oneof(text, units),
  },
  { requiredKeys: ["data"] },
);

describe("utf8Bytes", () => {
  it("counts what TextEncoder writes", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          units.map((string) => string.toWellFormed()),
        ),
        (string) => {
          expect(utf8Bytes(string)).toBe(new TextEncoder().encode(string).byteLength);
        },
      ),
    );
  });

  it("counts the JSON of any string, lone surrogates too", () => {
    fc.assert(
      fc.property(units, (string) => {
        const json = JSON.stringify(string);
        expect(utf8Bytes(json)).toBe(new TextEncoder().encode(json).byteLength);
      }),
    );
  });

  it.each([
    ["", 0],
    ["\u007f", 1],
    ["\u0080", 2],
    ["\u07ff", 2],
    ["\u0800", 3],
    ["\ud7ff\ue000\uffff", 9],
    ["\u{10000}\u{10ffff}", 8],
  ])("counts at the borders: %j is %i", (string, bytes) => {
    expect(utf8Bytes(string)).toBe(bytes);
  });

  it.each(["x", "\u00e9", "\u20ac", "\u{1f600}"])("counts a long text of %j from any place on", (character) => {
    const long = character.repeat(100_000);
    for (const start of ["", "x", "xx", "xxx"]) {
      expect(utf8Bytes(start + long)).toBe(start.length + 100_000 * utf8Bytes(character));
    }
  });
});

describe("messageText", () => {
  it("is the JSON of the message, with its head first", () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.nat(), (published, sequence, publishedAt) => {
        const written = messageText(sequence, publishedAt, messageBody(published));

        // Through JSON, because -0 and undefined are not of it.
        const expected = JSON.parse(JSON.stringify({ sequence, publishedAt, ...published }));
        expect(JSON.parse(written)).toEqual(expected);
        expect(written.startsWith(`{"sequence":${sequence},"publishedAt":${publishedAt},`)).toBe(true);
      }),
    );
  });

  it("never holds what stands between messages", () => {
    fc.assert(
      fc.property(message, (published) => {
        const written = messageText(1, 1, messageBody(published));
        expect(written).not.toContain("\n");
        expect(written).not.toContain(MESSAGE_SEPARATOR);
      }),
    );
  });
});

describe("splitMessages", () => {
  it("takes apart what was joined, each with its sequence, time and subject", () => {
    fc.assert(
      fc.property(fc.array(message), (published) => {
        const texts = published.map((each, index) => messageText(index + 1, 7, messageBody(each)));

        const split = splitMessages(texts.join(MESSAGE_SEPARATOR));

        expect(split).toEqual(
          texts.map((each, index) => ({
            sequence: index + 1,
            publishedAt: 7,
            subject: published[index]?.subject,
            text: each,
          })),
        );
        expect(joinMessages(split)).toBe(texts.join(MESSAGE_SEPARATOR));
        expect(JSON.parse(`[${joinMessages(split)}]`)).toHaveLength(published.length);
      }),
    );
  });

  it("takes no subject from the data", () => {
    const [only] = splitMessages(messageText(1, 1, messageBody({ data: { subject: "not.this" } })));

    expect(only?.subject).toBeUndefined();
  });

  it("refuses what is no message", () => {
    expect(() => splitMessages('{"data":1}')).toThrow();
  });
});
