/** Publishing from the console. */
import { expect } from "vitest";

import { inBrowser, title } from "../console.ts";

inBrowser(title("publishes what is typed, and says where it was stored"), async ({ open, connect }) => {
  const client = await connect();
  const page = await open("#/streams/orders/publish");

  await page.getByLabel("Data").fill('{"a": [1, "<b>"]}');
  await page.getByLabel("Subject").fill("orders.eu");
  await page.getByLabel("Headers").fill("trace: t-1\nurl: http://x/y");
  await page.getByLabel("Data").press("Control+Enter");
  await page.getByText("Stored as 1").waitFor();
  await page.getByRole("button", { name: "Publish again" }).click();
  await page.getByText("Stored as 2").waitFor();

  const { messages } = await client.call("getMessages", { stream: "orders" });
  const message = { data: { a: [1, "<b>"] }, subject: "orders.eu", headers: { trace: "t-1", url: "http://x/y" } };
  expect(messages).toMatchObject([message, message]);
  expect(await page.getByLabel("Data").inputValue()).toBe('{"a": [1, "<b>"]}');
  await page.getByRole("link", { name: "2", exact: true }).click();
  await page.locator('[data-sequence="2"] .message-detail').waitFor();
});

inBrowser(title("says while it is typed where JSON is wrong, and sends none that is"), async ({ open, connect }) => {
  const client = await connect();
  const page = await open("#/streams/orders/publish");
  const data = page.getByLabel("Data");
  const cases: [text: string, expected: string][] = [
    ['{\n  "a": 1,\n  "b": [1 2]\n}', "a comma or ] was expected at line 3, column 11"],
    ['{"a": 1,}', 'a name in "…" was expected at line 1, column 9'],
    ["[1, ]", "a value was expected at line 1, column 5"],
    ['{"a" 1}', "a colon behind the name was expected at line 1, column 6"],
    ['"a\\x"', "an escape such as"],
    ['["a', 'the " that ends the text was expected at line 1, column 4'],
    ["1 2", "nothing more was expected at line 1, column 3"],
    ["NaN", "a value was expected at line 1, column 1"],
    ["01", "a value was expected at line 1, column 1"],
    ["[".repeat(5_000), "a value or ] was expected at line 1, column 5001"],
  ];

  for (const [text, expected] of cases) {
    await data.fill(text);
    await page.getByText(expected).waitFor();
  }
  await data.press("Control+Enter");
  await data.fill("{}");
  await page.getByLabel("Subject").fill("a..b");
  await page.getByText("Must be up to 16 tokens").waitFor();
  await page.getByLabel("Headers").fill("no colon");
  await page.getByText("Line 1 is not “name: value”.").waitFor();
  await data.press("Control+Enter");
  await page.getByLabel("Subject").fill("");
  await page.getByLabel("Headers").fill("");
  await data.press("Control+Enter");

  await page.getByText("Stored as 1").waitFor();
  expect(await client.call("getStreamInfo", { stream: "orders" })).toMatchObject({ messages: 1 });
});

inBrowser(title("stores an id once, and only behind the sequence that is named"), async ({ open, connect }) => {
  const client = await connect();
  const page = await open("#/streams/orders/publish");
  await page.getByLabel("Data").fill("1");
  await page.getByLabel("Id", { exact: true }).fill("once");

  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.getByText("Stored as 1").waitFor();
  await page.getByRole("button", { name: "Publish again" }).click();
  await page.getByText("Stored before as 1").waitFor();
  await client.call("publish", { stream: "orders", data: "another" });
  await page.getByLabel("Id", { exact: true }).fill("");
  await page.getByLabel("Only behind").fill("1");
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.getByRole("alert").filter({ hasText: "Conflict" }).waitFor();
  expect(await page.getByLabel("Data").inputValue()).toBe("1");
  await page.getByRole("button", { name: "Publish behind that" }).click();
  expect(await page.getByLabel("Only behind").inputValue()).toBe("2");
  await page.getByRole("button", { name: "Publish", exact: true }).click();

  await page.getByText("Stored as 3").waitFor();
});

inBrowser(title("publishes lines of JSON as one batch, and text as it is"), async ({ open, connect }) => {
  const client = await connect();
  const page = await open("#/streams/orders/publish");
  const data = page.getByLabel("Data");

  await page.getByLabel("As").selectOption("lines");
  await data.fill('{"n": 1}\n\n[2]\n{"n"}');
  await page.getByText("was expected at line 4, column 5").waitFor();
  await data.fill('{"n": 1}\n\n[2]\n"three"\n');
  await page.getByRole("button", { name: "Publish 3 messages" }).click();
  await page.getByText("Stored as 1 to 3").waitFor();
  await page.getByLabel("As").selectOption("text");
  await data.fill("two\nlines, not {JSON}");
  await data.press("Control+Enter");
  await page.getByText("Stored as 4").waitFor();

  const { messages } = await client.call("getMessages", { stream: "orders" });
  expect(messages.map((message) => message.data)).toEqual([{ n: 1 }, [2], "three", "two\nlines, not {JSON}"]);
});

inBrowser(title("keeps what was typed when it is too large or too deep"), async ({ open, connect }) => {
  const client = await connect();
  const page = await open("#/streams/orders/publish");
  const data = page.getByLabel("Data");

  await page.getByLabel("As").selectOption("text");
  await data.fill("x".repeat(300_000));
  await page.getByText("Message 1 has 300 kB: more than the 262 kB of one.").waitFor();
  await page.getByLabel("As").selectOption("json");
  const deep = "[".repeat(3_000) + "]".repeat(3_000);
  await data.fill(deep);
  await data.press("Control+Enter");
  await page.getByRole("alert").filter({ hasText: "TooLarge" }).waitFor();
  expect(await data.inputValue()).toBe(deep);
  const deeper = "[".repeat(50_000) + "]".repeat(50_000);
  await data.fill(deeper);
  await data.press("Control+Enter");
  await expect.poll(() => page.getByRole("alert").allInnerTexts()).not.toEqual([]);
  expect(await data.inputValue()).toBe(deeper);
  await data.fill("1");
  await data.press("Control+Enter");

  await page.getByText("Stored as 1").waitFor();
  expect(await client.call("getStreamInfo", { stream: "orders" })).toMatchObject({ messages: 1 });
});
