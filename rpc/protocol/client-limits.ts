/**
 * The limits that a client keeps to by itself, with the units of `LIMITS`, which has them all. They are apart, so that the
 * client bundles no others.
 */
export const CLIENT_LIMITS = {
  frameBytes: 1_048_576,
  messageBytes: 262_144,
  batchCalls: 500,
  requestsInFlight: 4_096,
  requestBytesInFlight: 8_388_608,
  largeAnswersInFlight: 64,
  maxInFlight: 10_000,
  outgoingPauseBytes: 1_048_576,
  objectBodyBytes: 768_000,
  objectBytes: 5_363_466_240,
  uploadParts: 1000,
  requestDeadlineMs: 15_000,
  pingMs: 25_000,
  idleCloseMs: 75_000,
} as const;
