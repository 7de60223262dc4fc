/** @throws TypeError Which says what kind of value the option has to be, unless `isSo`. */
export function must(isSo: boolean, name: string, kind: string): asserts isSo {
  if (!isSo) {
    throw new TypeError(`the option ${name} has to be ${kind}`);
  }
}

/**
 * The given numbers, with defaults for those that are missing.
 *
 * @param of The option that they are of; empty for those of the client itself.
 * @throws TypeError For a value that is not a number of `least` or more, and for a name that is none of them. With NaN a
 * timeout would never end.
 */
export function numbersOf<Name extends string>(
  of: string,
  given: { readonly [N in NoInfer<Name>]?: number | undefined },
  defaults: Record<Name, number>,
  least = 0,
): Record<Name, number> {
  must(Object(given) === given, of, "an object");
  const path = of && `${of}.`;
  for (const name in given) {
    if (!(name in defaults)) {
      throw new TypeError(`there is no option ${path}${name}`);
    }
  }
  const numbers = { ...defaults };
  for (const name in defaults) {
    const number = given[name] ?? defaults[name];
    must(typeof number === "number" && number >= least, path + name, `a number, ${least} or more`);
    numbers[name] = number;
  }
  return numbers;
}
