/** What is billed or takes time, as a Worker counts it of itself from its start on. */
export type Counters = {
  /** As SQLite's cursors tell it; an alarm that is set is one more, as it is billed. */
  rowsWritten: number;
  rowsRead: number;
  /** Calls of Durable Objects, handshakes included: each is billed as a request. */
  calls: number;
  /** How many of each: `Stream.publish`. */
  callsOf: Record<string, number>;
  /** Frames from clients: twenty are billed as a request. What the runtime answers itself is not among them. */
  framesIn: number;
  /** Not billed. */
  framesOut: number;
  /** Alarms that fired: each is billed as a request. */
  alarms: number;
  /** `JSON.parse` and `JSON.stringify`. */
  parses: number;
  serialisations: number;
};

/** Counters that nothing was counted on. */
export function noCounts(): Counters {
  return {
    rowsWritten: 0,
    rowsRead: 0,
    calls: 0,
    callsOf: {},
    framesIn: 0,
    framesOut: 0,
    alarms: 0,
    parses: 0,
    serialisations: 0,
  };
}

/** What was counted between two readings. */
export function countsBetween(before: Counters, after: Counters): Counters {
  const callsOf = Object.entries(after.callsOf)
    .map(([name, count]): [string, number] => [name, count - (before.callsOf[name] ?? 0)])
    .filter(([, count]) => count > 0);
  return {
    rowsWritten: after.rowsWritten - before.rowsWritten,
    rowsRead: after.rowsRead - before.rowsRead,
    calls: after.calls - before.calls,
    callsOf: Object.fromEntries(callsOf),
    framesIn: after.framesIn - before.framesIn,
    framesOut: after.framesOut - before.framesOut,
    alarms: after.alarms - before.alarms,
    parses: after.parses - before.parses,
    serialisations: after.serialisations - before.serialisations,
  };
}
