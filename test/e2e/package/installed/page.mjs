// The tour in a page, told on its console; page.test.ts bundles and runs it.
import { tour } from "./tour.mjs";

export function run(url, token) {
  return tour({ url, token, runtime: "Chromium", tell: (line) => console.log(line) });
}
