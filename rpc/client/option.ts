/** @throws TypeError Which says what kind of value the option has to be, unless `isSo`. */
export function must(isSo: boolean, name: string, kind: string): asserts isSo {
  if (!isSo) {
    throw new TypeError(`the option ${name} has to be ${kind}`);
  }
}

/**
 * The given numbers, with defaults for those that are missing.
 *
 * @throws TypeError For a value that is not a number of `least` or more. With NaN a timeout would never end.
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
