/** Longer names are not compared, which bounds the time; no name of the contract is as long. */
const MOST_CHARACTERS = 32;

/**
 * The known name that somebody may have meant by an unknown one: it differs by its case only, by one character in four or
 * fewer, or goes on where the other ends.
 *
 * @returns Undefined when none is near.
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (name === "" || name.length > MOST_CHARACTERS) {
    return undefined;
  }
  const said = name.toLowerCase();
  let [nearest, least]: [string | undefined, number] = [undefined, Math.max(1, Math.floor(name.length / 4)) + 1];
  for (const one of known) {
    const edits = editsBetween(said, one.toLowerCase(), least);
    if (edits < least) {
      [nearest, least] = [one, edits];
    }
  }
  return nearest ?? known.find((one) => one.startsWith(name) || name.startsWith(one));
}

/**
 * How many characters have to be put in, left out, replaced or swapped with their neighbour (optimal string alignment), or
 * `most` if those are as many. Most names are far from each other, which their lengths or their first characters say: a
 * name that nobody knows would take longer than the call that it stands for.
 */
function editsBetween(from: string, to: string, most: number): number {
  if (Math.abs(from.length - to.length) >= most) {
    return most;
  }
  let before: number[] = [];
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    let fewest = row;
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwapped = row > 1 && from[row - 2] === to[column - 1] && from[row - 1] === to[column - 2];
      const edits = Math.min(
        at(current, column - 1) + 1,
        at(above, column) + 1,
        at(above, column - 1) + (isSame ? 0 : 1),
        isSwapped ? at(before, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
      current.push(edits);
      fewest = Math.min(fewest, edits);
    }
    // So are all rows behind it: a swap adds one to the row above this one, which is less by one at most.
    if (fewest >= most) {
      return most;
    }
    before = above;
    above = current;
  }
  return Math.min(most, at(above, to.length));
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
