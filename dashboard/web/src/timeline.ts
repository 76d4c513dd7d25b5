// The arithmetic of a replay's timeline: pure, so that it can be tested without a page.

export type Range = readonly [from: number, until: number];

/** How far a kept picture may be from the moment that is replayed, ms. */
const NEAR_MS = 60_000;
/** Vietnam has no summer time. */
const ZONE_MS = 7 * 3_600_000;
/** How much of an ISO moment says the day, and the minute. */
const ISO_DAY = 10, ISO_MINUTE = 16;

/** The window of a timeline: span ms around a moment, moved so that it stays within what is kept. A span of 0 is all. */
export function windowOf(at: number, span: number, oldest: number, newest: number): Range {
  const least = 60_000;
  if (span <= 0 || newest - oldest <= span) return [oldest, Math.max(newest, oldest + (span > 0 ? Math.min(span, least) : least))];
  const from = Math.min(Math.max(at - span / 2, oldest), newest - span);
  return [from, from + span];
}

/** Where a moment stands in a window, per cent; it may be outside. */
export const percent = (at: number, [from, until]: Range): number => ((at - from) / (until - from || 1)) * 100;

/** The parts of ranges that a window shows. */
export function visible(ranges: readonly Range[], [from, until]: Range): Range[] {
  return ranges.flatMap(([a, b]) => (b < from || a > until ? [] : [[Math.max(a, from), Math.min(b, until)] as const]));
}

/** The moment that is kept nearest to a wanted one. */
export function clampTo(at: number, oldest: number, newest: number): number {
  return Math.min(Math.max(at, oldest), newest);
}

/** Of what is near a moment the newest that is not later, else the first after it. */
export function nearest<T>(list: readonly T[], moment: number, timeOf: (one: T) => number): T | undefined {
  let before: T | undefined, after: T | undefined;
  for (const one of list) {
    const at = timeOf(one);
    if (Math.abs(at - moment) > NEAR_MS) continue;
    if (at <= moment) { if (!before || at > timeOf(before)) before = one; }
    else if (!after || at < timeOf(after)) after = one;
  }
  return before ?? after;
}

/** What somebody wrote as 21/11/2026 13:47[:05], Vietnam's civil time; null when it is no moment. */
export function fromLocal(value: string): number | null {
  const m = /^\s*(\d{1,2})\/(\d{1,2})\/(\d{4})[ ,T]+(\d{1,2})[:hg](\d{2})(?::(\d{2}))?\s*$/.exec(value);
  if (!m) return null;
  const [dd, mm, yyyy, h, min, s] = m.slice(1).map((x) => Number(x ?? 0)) as [number, number, number, number, number, number];
  const at = Date.UTC(yyyy, mm - 1, dd, h, min, s) - ZONE_MS;
  // A date that does not exist would have become another one.
  return h < 24 && min < 60 && s < 60 && new Date(at + ZONE_MS).getUTCDate() === dd && new Date(at + ZONE_MS).getUTCMonth() === mm - 1 ? at : null;
}

/** A moment as it is written there: 21/11/2026 13:47:05. */
export function toLocal(at: number): string {
  const [, y, m, d, time] = /^(\d+)-(\d+)-(\d+)T(.{8})/.exec(new Date(at + ZONE_MS).toISOString())!;
  return `${d}/${m}/${y} ${time}`;
}

/** What the address says, "2026-11-21" or "2026-11-21T13:47", as it is written: 21/11/2026 or 21/11/2026 13:47. */
export function written(iso: string): string {
  const at = Date.parse(iso.length > ISO_DAY ? iso + ":00+07:00" : iso + "T00:00:00+07:00");
  return Number.isFinite(at) ? toLocal(at).slice(0, iso.length > ISO_DAY ? ISO_MINUTE : ISO_DAY) : "";
}

/** The other way round; null when it is no such date. */
export function meant(text: string, time: boolean): string | null {
  const at = fromLocal(time ? text : text.trim() + " 00:00");
  return at === null ? null : new Date(at + ZONE_MS).toISOString().slice(0, time ? ISO_MINUTE : ISO_DAY);
}

/** Marks of a timeline: round moments, at most n of them. */
export function ticks([from, until]: Range, n: number): number[] {
  const steps = [60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000].map((s) => s * 1000);
  const step = steps.find((s) => (until - from) / s <= n) ?? 864_000_000;
  const out: number[] = [];
  for (let at = Math.ceil((from + ZONE_MS) / step) * step - ZONE_MS; at <= until; at += step) out.push(at);
  return out;
}

/** So many alarms of the past are remembered at most; the oldest learnt go first. */
const LEARNT = 5000;

/** What is known with alarms that are new, or have changed since; null when there is none. */
export function learnt<A extends { id: string; changed_at: number }>(known: readonly A[], alarms: Iterable<A>): readonly A[] | null {
  const by = new Map(known.map((a) => [a.id, a]));
  let news = false;
  for (const a of alarms) {
    if ((by.get(a.id)?.changed_at ?? -1) >= a.changed_at) continue;
    by.set(a.id, a);
    news = true;
  }
  return news ? [...by.values()].slice(-LEARNT) : null;
}
