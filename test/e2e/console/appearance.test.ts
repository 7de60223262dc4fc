/** What holds in every view: names for a screen reader, contrast in both themes, no sideways scrolling of a narrow window. */
import type { CDPSession, Page } from "playwright-core";
import { expect } from "vitest";

import { inBrowser, title } from "./console.ts";
import { fill, PLACES } from "./places.ts";

/** Roles that somebody acts on, or goes by; each has to have a name. */
const NAMED = new Set([
  "button",
  "link",
  "textbox",
  "searchbox",
  "combobox",
  "checkbox",
  "heading",
  "navigation",
  "region",
  "table",
  "dialog",
]);

type AxText = { value?: string | number | boolean };
type AxNode = { ignored: boolean; role?: AxText; name?: AxText };

/** The roles and names that a screen reader is told, of what is not ignored. */
async function told(cdp: CDPSession): Promise<{ role: string; name: string }[]> {
  const { nodes } = (await cdp.send("Accessibility.getFullAXTree")) as { nodes: AxNode[] };
  return nodes
    .filter(({ ignored }) => !ignored)
    .map(({ role, name }) => ({ role: String(role?.value), name: String(name?.value ?? "") }));
}

/** Texts whose contrast to what is behind them is less than WCAG 2.2 asks for (AA, 1.4.3), with it. */
const FAINT_TEXTS = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) => {
    const [r, g, b] = rgba(color).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      const { backgroundColor } = getComputedStyle(each);
      if (rgba(backgroundColor)[3] === 255) return backgroundColor;
    }
    return "white";
  };
  const faint = [];
  for (const element of document.body.querySelectorAll("*")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (!hasText || !element.checkVisibility() || element.matches(":disabled")) continue;
    const [one, other] = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) faint.push(element.textContent.trim().slice(0, 40) + " " + contrast.toFixed(2));
  }
  return faint;
})()`;

async function visit(page: Page, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
}

inBrowser(
  title("every view names what it has, in order, with one main heading and the place that is open"),
  async ({ open, server, browser }) => {
    await fill(server);
    const page = await open("#/streams");
    const cdp = await browser.newCDPSession(page);

    for (const { name, hash, ready } of PLACES) {
      await visit(page, hash);
      await ready(page);
      const nodes = await told(cdp);
      const nameless = nodes.filter((node) => NAMED.has(node.role) && node.name.trim() === "");
      const levels = await page
        .locator("main")
        .locator("h1, h2, h3")
        .evaluateAll((all) => all.map((each) => each.tagName));

      expect({ name, nameless }).toEqual({ name, nameless: [] });
      expect(nodes.filter(({ role }) => role === "main")).toHaveLength(1);
      expect([name, levels[0], levels.filter((level) => level === "H1").length]).toEqual([name, "H1", 1]);
      expect(await page.locator("[aria-current=page]").count()).toBe(hash.startsWith("#/streams/") ? 2 : 1);
      expect(await page.title()).toMatch(/.+ · Durable Stream$/);
    }
  },
);

inBrowser.for(["light", "dark"] as const)(
  title("every view can be read in the theme %s, also in a narrow window"),
  async (colorScheme, { open, server }) => {
    await fill(server);
    const page = await open("#/streams");
    // Else a colour may be on its way from the other theme.
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width: 400, height: 800 });

    for (const { name, hash, ready } of PLACES) {
      await visit(page, hash);
      await ready(page);
      const width = await page.evaluate<number>("document.documentElement.scrollWidth");
      const faint = await page.evaluate<string[]>(FAINT_TEXTS);

      expect({ name, width, faint }).toEqual({ name, width: 400, faint: [] });
    }
  },
);

inBrowser(title("works with the keyboard alone"), async ({ open, server }) => {
  await fill(server);
  const page = await open("#/streams", { token: false });
  const { keyboard } = page;
  /** Goes on by Tab until what has the focus is of that name. */
  const tabTo = async (name: string) => {
    const seen: string[] = [];
    while (seen.at(-1) !== name) {
      expect(seen.length, `no ${name} after ${seen.join(", ")}`).toBeLessThan(60);
      await keyboard.press("Tab");
      seen.push(await page.evaluate<string>(FOCUSED));
    }
  };

  // The field has the focus.
  await expect.poll(() => page.evaluate<string>(FOCUSED)).toBe("Key or token");
  await keyboard.type(server.apiKey);
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "Streams" }).waitFor();
  await page.getByRole("rowheader", { name: "orders", exact: true }).waitFor();
  await tabTo("Skip to content");
  await keyboard.press("Enter");
  await tabTo("Name begins with");
  await keyboard.type("orders");
  await page.getByText("2 streams").waitFor();
  await tabTo("orders");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "Contents" }).waitFor();
  // A screen reader begins at the heading of what was opened.
  await expect.poll(() => page.evaluate<string>(FOCUSED)).toBe("orders");
  await tabTo("Delete the stream…");
  const outline = await page.evaluate<string>("getComputedStyle(document.activeElement).outlineStyle");
  expect(outline).toBe("solid");
  await keyboard.press("Enter");
  await expect.poll(() => page.evaluate<string>(FOCUSED)).toBe("Type orders to go on");
  await keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  await expect.poll(() => page.evaluate<string>(FOCUSED)).toBe("Delete the stream…");
  await keyboard.press("Enter");
  await expect.poll(() => page.evaluate<string>(FOCUSED)).toBe("Type orders to go on");
  await tabTo("Cancel");
  await keyboard.press("Enter");
  await page.locator("dialog").waitFor({ state: "detached" });
  await expect.poll(() => page.evaluate<string>(FOCUSED)).toBe("Delete the stream…");
  // The browser gives the focus back before it says that the dialog was closed.
  await page.locator("dialog").waitFor({ state: "detached" });
  await keyboard.press("Enter");
  await expect.poll(() => page.evaluate<string>(FOCUSED)).toBe("Type orders to go on");
  await keyboard.type("orders");
  await keyboard.press("Enter");

  await page.getByText("There is no stream of this name.").waitFor();
});

/** The label of what has the focus, or its text. */
const FOCUSED = `(() => {
  const element = document.activeElement;
  return (element?.labels?.[0] ?? element)?.textContent.trim() ?? "";
})()`;
