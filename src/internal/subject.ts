/** Tells whether a subject matches a filter: `*` stands for one token, a last `>` for one or more. */
export type SubjectMatcher = (subject: string | undefined) => boolean;

const DOT = 0x2e;
const STAR = 0x2a;
const REST = 0x3e;

/** The matcher of a filter of the contract's form. A message without a subject matches no filter. */
export function subjectMatcher(filter: string): SubjectMatcher {
  return (subject) => subject !== undefined && matchesFilter(filter, subject);
}

/**
 * Whether a subject, or the name of a stream, matches a filter of the contract's form. It runs for each message of a caller
 * with rights and of a follower with a filter, and allocates nothing.
 */
export function matchesFilter(filter: string, subject: string): boolean {
  let [at, read] = [0, 0];
  for (;;) {
    const first = filter.charCodeAt(read);
    if (first === REST) {
      return true;
    }
    if (first === STAR) {
      read += 1;
      at = endOfToken(subject, at);
    } else {
      for (; read < filter.length && filter.charCodeAt(read) !== DOT; read += 1, at += 1) {
        if (filter.charCodeAt(read) !== subject.charCodeAt(at)) {
          return false;
        }
      }
    }
    if (read === filter.length || at >= subject.length) {
      return read === filter.length && at === subject.length;
    }
    if (subject.charCodeAt(at) !== DOT) {
      return false;
    }
    read += 1;
    at += 1;
  }
}

function endOfToken(subject: string, from: number): number {
  const end = subject.indexOf(".", from);
  return end === -1 ? subject.length : end;
}

/**
 * Whether a filter matches every subject that another one matches. `a.>` contains `a.*`, and `*.>` does not contain `>`.
 *
 * A subject has 16 tokens at most, so a last `>` behind 15 of them is one token: that is not looked at, and such a filter
 * counts as wider than it is.
 */
export function containsFilter(outer: string, inner: string): boolean {
  const [wide, narrow] = [outer.split("."), inner.split(".")];
  for (const [index, token] of wide.entries()) {
    const other = narrow[index];
    if (token === ">") {
      return other !== undefined;
    }
    if (other === undefined || other === ">" || (token !== "*" && token !== other)) {
      return false;
    }
  }
  return wide.length === narrow.length;
}

/** A filter that is compiled. */
export type CompiledFilter = {
  readonly text: string;
  readonly matches: SubjectMatcher;
  /** Stands in the JSON text of every list of subjects that has one that matches. */
  readonly literal: string;
};

/** Compiles a filter of the contract's form, for one who looks for it in lists of subjects too. */
export function compileFilter(filter: string): CompiledFilter {
  return { text: filter, matches: subjectMatcher(filter), literal: literalOf(filter) };
}

/** The longest part of a filter without wildcards, with the quotes of JSON where it begins or ends the subject. */
function literalOf(filter: string): string {
  const parts = `"${filter}"`.replace(/>"$/, ">").split(/[*>]/);
  return parts.reduce((longest, part) => (part.length > longest.length ? part : longest), "");
}
