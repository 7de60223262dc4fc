/** @throws TypeError Saying what the option of this name has to be, unless it is so. */
export function must(isSo: boolean, name: string, kind: string): asserts isSo {
  if (!isSo) {
    throw new TypeError(`the option ${name} has to be ${kind}`);
  }
}

/**
 * The numbers of these names as they were given, with defaults for those that were not.
 *
 * @throws TypeError For what is no number, by which nothing would ever be over, or too small.
 */
export function numbersOf<Name extends string>(
  of: string,
  given: { readonly [N in NoInfer<Name>]?: number | undefined },
  defaults: Record<Name, number>,
  least = 0,
): Record<Name, number> {
  must(typeof given === "object", of, "an object");
  const numbers = { ...defaults };
  for (const name in defaults) {
    const number = given[name] ?? defaults[name];
    must(typeof number === "number" && number >= least, name, `a number, ${least} or more`);
    numbers[name] = number;
  }
  return numbers;
}
