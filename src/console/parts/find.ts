/** Where a query first is in a text, without regard to case; -1 when it is not. */
export function findIn(text: string, query: string): number {
  return foldedCase(text).indexOf(foldedCase(query));
}

/** A text in parts, of which every second one is what was looked for. */
export function partsOf(text: string, query: string): readonly string[] {
  if (query === "") {
    return [text];
  }
  const lower = foldedCase(text);
  const wanted = foldedCase(query);
  const parts: string[] = [];
  let from = 0;
  for (let at = lower.indexOf(wanted); at !== -1; at = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), text.slice(at, at + wanted.length));
    from = at + wanted.length;
  }
  return [...parts, text.slice(from)];
}

/** Lower case of the same length, so that places in it are places in the text. */
function foldedCase(text: string): string {
  const lower = text.toLowerCase();
  return lower.length === text.length ? lower : text;
}

/** The beginning of a text, which ends in no half of a character. */
export function cut(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? length - 1 : length);
}
