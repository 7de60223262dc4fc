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
