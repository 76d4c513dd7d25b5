// What is wrong, how wrong, and what a bounded screen shows of it. Pure, so that it
// can be tested without a page.
import type { AlarmState, CameraHealth, CameraState, KpiState, Severity } from "./contract";

export const ORDER: Record<Severity, number> = { critical: 3, warning: 2, notice: 1, calm: 0 };

export function cameraSeverity(state: CameraHealth): Severity {
  switch (state) {
    case "offline": case "frozen": case "dark": return "warning";
    case "degraded": case "unauthorised": return "notice";
    default: return "calm";
  }
}

/** A figure that misses its target is a notice; by more than a tenth of it, a warning. */
export function kpiSeverity(k: KpiState): Severity {
  if (k.v === null || k.target === null || k.target === undefined || !k.better) return "calm";
  const short = k.better === "higher" ? k.target - k.v : k.v - k.target;
  if (short <= 1e-9) return "calm";
  return short > Math.abs(k.target) * 0.1 ? "warning" : "notice";
}

/** What happened, without the place that a rule's text may begin with: the place stands beside it. */
export function withoutPlace(text: string, place: string): string {
  return place && text.startsWith(place) ? text.slice(place.length).replace(/^[\s:·,–-]+/, "") || text : text;
}

/** Unacknowledged first, then the worse, then the newer. */
export function byUrgency(a: AlarmState, b: AlarmState): number {
  const open = (x: AlarmState) => (x.state === "cleared" ? 0 : x.state === "raised" ? 2 : 1);
  return open(b) - open(a) || ORDER[b.severity] - ORDER[a.severity] || b.raised_at - a.raised_at || (a.id < b.id ? -1 : 1);
}

/** As a wall has them: nothing takes the place of what is critical, though somebody has taken it. */
export const byWeight = (a: AlarmState, b: AlarmState): number =>
  Number(b.severity === "critical") - Number(a.severity === "critical") || byUrgency(a, b);

/** The worst of the alarms that are new, or worse than what was known by id; undefined when there is none. */
export function worstNews(known: ReadonlyMap<string, Severity>, alarms: readonly AlarmState[]): Severity | undefined {
  const fresh = alarms.filter((a) => ORDER[a.severity] > ORDER[known.get(a.id) ?? "calm"]);
  return fresh.sort((a, b) => ORDER[b.severity] - ORDER[a.severity])[0]?.severity;
}

/**
 * Which cameras a wall shows: what is wrong first, and never more than shown less
 * one of them, so that something living is always seen; the rest take turns.
 */
export function chooseCameras(cameras: ReadonlyMap<string, CameraState>, slots: number, turn: number): [string, CameraState][] {
  const bad: [string, CameraState][] = [], good: [string, CameraState][] = [];
  for (const entry of [...cameras].sort((a, b) => (a[0] < b[0] ? -1 : 1))) (cameraSeverity(entry[1].state) === "calm" ? good : bad).push(entry);
  bad.sort((a, b) => ORDER[cameraSeverity(b[1].state)] - ORDER[cameraSeverity(a[1].state)] || b[1].since - a[1].since);
  const live = good.filter(([, c]) => c.state === "live"), rest = good.filter(([, c]) => c.state !== "live");
  const forBad = Math.min(bad.length, live.length ? Math.ceil(slots / 2) : slots);
  const take = (from: [string, CameraState][], n: number) =>
    from.length <= n ? from : Array.from({ length: n }, (_, i) => from[(turn * n + i) % from.length]!);
  const shown = [...take(bad, forBad)];
  shown.push(...take(live, slots - shown.length));
  shown.push(...rest.slice(0, slots - shown.length));
  return shown;
}

/** The wall's six: shares of service first, in this order; then whatever else misses its target, then the rest. */
const FIRST = ["on_time_share", "dossiers_overdue", "online_share", "satisfaction", "feedback_on_time_share", "e_document_share"];
export function chooseKpis(kpis: ReadonlyMap<string, KpiState>, n: number): [string, KpiState][] {
  const rankOf = (id: string, k: KpiState) => {
    const i = FIRST.indexOf(id);
    return i >= 0 ? i : FIRST.length + (kpiSeverity(k) === "calm" ? 1 : 0);
  };
  return [...kpis].sort((a, b) => rankOf(...a) - rankOf(...b) || (a[0] < b[0] ? -1 : 1)).slice(0, n);
}
