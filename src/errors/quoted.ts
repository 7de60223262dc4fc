/** Most characters of what a message quotes of a call. */
const MOST_CHARACTERS = 50;

/** What a terminal or a log might act on: controls, marks of direction, unassigned characters, separators of lines. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Text of a caller as a message may have it: its beginning, in which nothing is left that a terminal or a log acts on. */
export function excerpt(text: string): string {
  const escaped = JSON.stringify(text.slice(0, MOST_CHARACTERS)).slice(1, -1).replaceAll(UNSAFE, codeOf);
  const isWhole = text.length <= MOST_CHARACTERS && escaped.length <= MOST_CHARACTERS;
  return isWhole ? escaped : `${escaped.slice(0, MOST_CHARACTERS - 1)}…`;
}

/** Text of a caller in quotation marks. */
export function quoted(text: string): string {
  return `"${excerpt(text)}"`;
}

function codeOf(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}
