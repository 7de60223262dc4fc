/** Where a text is no JSON, for a person who types it. Browsers say that in words of their own, or not at all. */
export type JsonFault = { readonly expected: string; readonly line: number; readonly column: number };

const SPACE = /[ \t\n\r]*/y;
const WORD = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;
// oxlint-disable-next-line no-control-regex -- a string has none
const STRING = /"(?:[^"\\\u0000-\u001f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
/** The part of a string that is well. */
// oxlint-disable-next-line no-control-regex -- a string has none
const STRING_SO_FAR = /"(?:[^"\\\u0000-\u001f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;

type Expected = "value" | "value or ]" | "name" | "name or }" | ":" | ", or end";

/** The first place at which a text can not go on to be JSON (RFC 8259); undefined when it is JSON. Any depth is read. */
export function jsonFaultOf(text: string): JsonFault | undefined {
  const open: ("{" | "[")[] = [];
  let expected: Expected = "value";
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const [found] = pattern.exec(text) ?? [];
    at += found?.length ?? 0;
    return found !== undefined;
  };
  for (;;) {
    take(SPACE);
    const character = text[at];
    const inside = open.at(-1);
    if (expected === ", or end" && inside === undefined) {
      return character === undefined ? undefined : faultAt(text, at, "nothing more");
    }
    if (expected === ":" || (expected === ", or end" && character === ",")) {
      if (expected === ":" && character !== ":") {
        return faultAt(text, at, "a colon behind the name");
      }
      const isName: boolean = expected === ", or end" && inside === "{";
      expected = isName ? "name" : "value";
      at += 1;
    } else if (isClosed(expected, inside, character)) {
      open.pop();
      at += 1;
      expected = ", or end";
    } else if (expected === ", or end") {
      return faultAt(text, at, inside === "{" ? "a comma or }" : "a comma or ]");
    } else if (character === '"') {
      if (!take(STRING)) {
        take(STRING_SO_FAR);
        const words = text[at] === "\\" ? "an escape such as \\n or \\u0041" : 'the " that ends the text';
        return faultAt(text, at, words);
      }
      expected = expected.startsWith("name") ? ":" : ", or end";
    } else if (expected.startsWith("name")) {
      return faultAt(text, at, expected === "name" ? 'a name in "…"' : 'a name in "…", or }');
    } else if (character === "{" || character === "[") {
      open.push(character);
      at += 1;
      expected = character === "{" ? "name or }" : "value or ]";
    } else if (take(WORD)) {
      expected = ", or end";
    } else {
      return faultAt(text, at, expected === "value" ? "a value" : "a value or ]");
    }
  }
}

function isClosed(expected: Expected, inside: string | undefined, character: string | undefined): boolean {
  const mayEnd = expected === ", or end" || expected === "value or ]" || expected === "name or }";
  return mayEnd && character === (inside === "{" ? "}" : "]");
}

function faultAt(text: string, at: number, expected: string): JsonFault {
  const before = text.slice(0, at).split("\n");
  return { expected, line: before.length, column: (before.at(-1) ?? "").length + 1 };
}
