import { expect, it } from "vitest";

it("passes, and is not heard of", () => expect(1).toBe(1));
it("passes too", () => expect(1).toBe(1));
