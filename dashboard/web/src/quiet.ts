const QUIET_HOUR = 4;
/** Walls of one room do not all reload at once, ms. */
const JITTER_MS = 20 * 60_000;

/** Milliseconds until the next quiet hour in Vietnam (UTC+7, no summer time). */
export function untilQuiet(now: number, random: number): number {
  const dayMs = 86_400_000, offset = 7 * 3_600_000;
  const into = (now + offset) % dayMs;
  const wait = (QUIET_HOUR * 3_600_000 - into + dayMs) % dayMs;
  return (wait < 3_600_000 ? wait + dayMs : wait) + random * JITTER_MS;
}
