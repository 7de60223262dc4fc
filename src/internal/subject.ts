/** Tells whether a subject matches a filter: `*` stands for one token, a last `>` for one or more. */
export type SubjectMatcher = (subject: string | undefined) => boolean;

/**
 * Compiles a filter of the contract's form. A message without a subject matches no filter.
 */
export function subjectMatcher(filter: string): SubjectMatcher {
  const wanted = filter.split(".");
  const rest = wanted.at(-1) === ">";
  const fixed = rest ? wanted.length - 1 : wanted.length;

  return (subject) => {
    if (subject === undefined) {
      return false;
    }
    const tokens = subject.split(".");
    if (rest ? tokens.length <= fixed : tokens.length !== fixed) {
      return false;
    }
    for (let index = 0; index < fixed; index += 1) {
      if (wanted[index] !== "*" && wanted[index] !== tokens[index]) {
        return false;
      }
    }
    return true;
  };
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
