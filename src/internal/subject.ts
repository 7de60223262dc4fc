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
