// The shapes that the server sends, as the live contract names them. Times are
// Unix milliseconds UTC unless said otherwise.

/** A name in both languages; English may be missing and then is the Vietnamese. */
export interface Text { vi: string; en?: string }

export type Severity = "critical" | "warning" | "notice" | "calm";

export interface ScopeState {
  id: string; name: Text; root: string;
  stations: { fresh: number; total: number };
  cameras: { live: number; total: number };
  alarms: { critical: number; warning: number; notice: number };
  exercise: boolean; journal_lag_ms: number; store_lag_ms: number; store_up: boolean;
  /** Why nothing can be taken at present, or "". */
  held?: string;
}
export interface Headline { severity: Severity; text: Text; alarm: string; since: number; holder: string }
export interface UnitState { name: Text; lat: number; lon: number; severity: Severity; rain_24h: number | null; rank?: number | null }

export interface Window { v: number | null; n: number; m: number }
export interface Value {
  v: number | null; t: number; until: number; q: string; stale: boolean;
  /** eta_ms is how long until the next level at this rate, ms; next is that level, from 1. */
  rise_h?: number | null; eta_ms?: number; next?: number; w?: Record<string, Window>;
}
export interface StationState {
  name: Text; unit: string; lat: number; lon: number;
  state: "fresh" | "stale" | "silent"; severity: Severity;
  /** flow orders a river's gauges from its spring; travel_ms is what water takes from the first of them. */
  river?: string; flow?: number; travel_ms?: number; levels?: Record<string, number[]>; values: Record<string, Value>;
}

export type CameraHealth = "live" | "degraded" | "frozen" | "dark" | "offline" | "maintenance" | "unauthorised";
export interface CameraState {
  name: Text; kind: string; unit: string; lat: number; lon: number;
  state: CameraHealth; since: number; why?: Text | null;
  fps: number; kbps: number; loss: number; key_at: number | null; seen_at: number | null; recorder?: string;
}

export interface KpiState {
  name: Text; symbol: string; decimals: number; domain: string;
  v: number | null; n: number; m: number; t: number; until: number; stale: boolean; q: string;
  target: number | null; target_source?: string; better: "higher" | "lower" | "";
  spark?: [number, number | null][] | null; delta?: number | null;
  /** before is the place a day ago; 0: not known. */
  rank?: { place: number; of: number; before?: number } | null;
  province?: { v: number | null; n: number; m: number } | null;
  units?: Record<string, number | null> | null;
  /** Of the units that are held against another target than the scope's. */
  unit_targets?: Record<string, number | null>;
}

export interface AlarmState {
  id: string; rule: string; severity: Exclude<Severity, "calm">;
  state: "raised" | "acknowledged" | "assigned" | "cleared";
  text: Text; place: Text; unit: string; station?: string; camera?: string; metric?: string; v?: number | null;
  raised_at: number; changed_at: number; acknowledged_by?: string; assigned_to?: string;
  comments?: { at: number; by: string; text: string }[] | null; count: number; exercise?: boolean;
}

export interface EvidencePicture { n: number; camera: string; at: string; state: CameraHealth; type: "video/mp4" | "image/jpeg"; size: number; offset_ms: number }
export interface EvidenceAnswer {
  alarm: string; raised_at: number; state: "gathering" | "complete" | "interrupted" | "unknown"; until: number | null;
  why?: "no_cameras" | "no_pictures" | "not_decoded" | "busy" | "full" | "restart" | "failed";
  cameras: { id: string; name: Text; recorder: string }[]; gaps: { from: number; to: number }[]; pictures: EvidencePicture[];
}

/** layout is a wall's. */
export interface Me { user: string; name: string; role: string; scope: string; scopes: string[]; may?: string[]; layout?: string }
export interface Scene { id: string; kind: string; name: Text; seconds: number; cameras: string[]; kpis: string[]; tiles?: number }
export interface Layout {
  id: string; name: Text; distance_m: number; scenes: Scene[]; canvas: [number, number]; unit: number;
  panel: { inches: number; width: number; height: number; columns: number; rows: number };
  dim: { from: number; until: number; to: number };
}
export interface WallReport {
  layout: string; scene: string; link: string; heap_bytes: number; heap_limit: number; quiet_ms: number; behind: number;
  sequence: Record<string, number>; gaps: number; opens: number; uptime_s: number; screen: [number, number]; frames_s: number; pictures_live: number;
}
export interface WallInfo { id: string; name: string; scope: string; layout: string; paired_by: string; paired_at: number; seen_at: number; report: WallReport | null }
export interface Ranked { id: string; name: Text; v: number | null; n: number; m: number; target?: number | null; place: number; before: number; before_month?: number }
/** before_day and before_month_day are the days whose ends places are held against. */
export interface RankingAnswer { before_day?: string; before_month_day?: string; metric: string; name: Text; symbol: string; decimals: number; better: string; ranked: Ranked[] }
export interface Contact { name: Text; phone: string; units: string[]; for: string[] }
export interface Checklist { id: string; name: Text; rules: string[]; severity: Severity; steps: Text[] }
export interface Handover {
  id: string; at: number; scope: string; by: string; to: string; note: string; open: number;
  alarms: { id: string; severity: Severity; text: Text; place: Text; state: AlarmState["state"]; raised_at: number; holder: string }[];
}
/** What is kept for replay; times are pairs of from and until. */
export interface ReplayAnswer {
  recording: boolean; why: "" | "off" | "starting" | "disk" | "write"; keep_ms: number; now: number; speeds: number[];
  scopes: { scope: string; name: Text; oldest: number; newest: number; ranges: [number, number][]; gaps: [number, number][] }[];
}
/** Where a replay stands. Times are RFC 3339. */
export interface ReplayClock {
  type: "replay"; at: string; playing: boolean; speed: number; end: boolean;
  gap?: { from: string; until: string } | null; skipped?: { from: string; until: string } | null;
}
export interface SavedView { id: string; name: string; query: string; at: number }
export interface UnitInfo { code: string; name: Text; kind: string; parent: string; lat: number; lon: number }
export interface ScopeInfo { id: string; name: Text; units: string[] }
export interface Device { id: string; first_seen: number | string; last_seen: number | string; count: number; metrics: Record<string, number> }
export interface Refusals {
  counts: Record<string, Record<string, number>>;
  last: { at: number | string; source: string; reason: string; field?: string; value?: string; detail?: string; topic?: string; payload?: string }[];
}
/** What the members of a point are is in columns. */
export interface History {
  metric: string; unit: string; step: string; agg?: string; formula?: string; formula_version?: string; columns?: string[];
  series: { key: string; name?: Text; points: unknown[][] }[];
}
