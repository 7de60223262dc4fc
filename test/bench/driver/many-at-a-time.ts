/**
 * Calls a client's function so many times with so many calls open: as each is answered, the next one is made.
 *
 * @returns How often.
 */
export async function manyAtATime(
  { count, open, latencies }: { count: number; open: number; latencies: number[] | undefined },
  call: (index: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      const sentAt = latencies === undefined ? 0 : performance.now();
      await call(index);
      latencies?.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: Math.min(open, count) }, lane));
  return count;
}
