// How a wall is divided and what it shows when: pure, so that it can be tested
// without a page.
import type { AlarmState, Layout, Scene } from "./contract";

/** A screenful at the reference distance, in units: 1920 × 1080 at 10.8 px. */
const WIDE = 150, BANDS = 42, TALL = 56;
const MAX_CELLS = 12;

export interface Grid {
  /** Pixels of a unit in this window. */
  unit: number;
  columns: number;
  rows: number;
  /** How many columns and rows the first scene takes. */
  first: [number, number];
  /** Places for scenes, the first one included. */
  cells: number;
  /** So little height that each scene shows less. */
  compact: boolean;
  /** Rows of alarms. */
  alarms: number;
}

/** Divides a window for a layout. A window of another size than the wall is a preview to scale. */
export function gridOf(layout: Pick<Layout, "canvas" | "unit">, scenes: number, width: number, height: number): Grid {
  const unit = layout.unit * Math.min(width / layout.canvas[0], height / layout.canvas[1]);
  const w = width / unit, h = height / unit;
  const most: [number, number] = [Math.max(1, Math.floor(w / WIDE)), Math.max(1, Math.floor((h - BANDS) / TALL))];
  const compact = h < 85, alarms = compact ? 2 : 3, enough = Math.min(scenes, MAX_CELLS);
  let best: Grid = { unit, columns: 1, rows: 1, first: [1, 1], cells: 1, compact, alarms };
  // Of the divisions that have a scene for each place, the one with the most places;
  // of those the one whose places are shaped most like a screen.
  const first: [number, number] = most[0] >= 4 && most[1] >= 2 ? [2, 2] : [1, 1];
  const odd = (g: Grid) => Math.abs(Math.log((w / g.columns) / ((h - BANDS) / g.rows) / (WIDE / TALL)));
  for (let columns = first[0] > 1 ? 3 : 1; columns <= most[0]; columns++) {
    for (let rows = first[1]; rows <= most[1]; rows++) {
      const g: Grid = { unit, columns, rows, first, cells: columns * rows - first[0] * first[1] + 1, compact, alarms };
      if (g.cells <= enough && (g.cells > best.cells || (g.cells === best.cells && odd(g) < odd(best)))) best = g;
    }
  }
  return best;
}

/**
 * The scenes of each place: all but the last stand still, the last goes through
 * what is left. A wall of one place goes through everything.
 */
export function places(scenes: readonly Scene[], cells: number): Scene[][] {
  const fixed = scenes.slice(0, cells - 1).map((s) => [s]);
  return [...fixed, scenes.slice(cells - 1)];
}

/** Which scene of a rotation stands at a moment. The same on every wall of a room: it follows the clock. */
export function turnAt(scenes: readonly Scene[], now: number): number {
  const whole = scenes.reduce((n, s) => n + s.seconds, 0);
  if (scenes.length < 2 || whole <= 0) return 0;
  let into = (now / 1000) % whole;
  for (let i = 0; i < scenes.length; i++) {
    into -= scenes[i]!.seconds;
    if (into < 0) return i;
  }
  return 0;
}

/** The scene that must stand while something critical is open, or −1: rotation never takes it away. */
export function held(scenes: readonly Scene[], alarms: Iterable<AlarmState>): number {
  let worst: AlarmState | undefined;
  for (const a of alarms) if (a.severity === "critical" && a.state !== "cleared" && (!worst || a.raised_at > worst.raised_at)) worst = a;
  if (!worst) return -1;
  const water = ["rain", "water_level", "soil_moisture", "wind_speed"].includes(worst.metric ?? "");
  const fits = (kind: string) => scenes.findIndex((s) => s.kind === kind);
  return Math.max(0, water && fits("disaster") >= 0 && fits("overview") < 0 ? fits("disaster") : fits("overview"));
}

/** The share of the light at an hour of the province's day. */
export function lightAt(dim: { from: number; until: number; to: number } | undefined, hour: number): number {
  if (!dim || dim.from === dim.until) return 1;
  const night = dim.from < dim.until ? hour >= dim.from && hour < dim.until : hour >= dim.from || hour < dim.until;
  return night ? dim.to : 1;
}

const SHIFT_MS = 240_000;
const SHIFTS: readonly [number, number][] = [[0, 0], [1, 0], [2, 1], [1, 2], [0, 2], [-1, 1], [-2, 0], [-1, -1]];

/** Burn-in care: by how many pixels the whole picture is moved at a moment, another way every few minutes. */
export function shiftAt(now: number): readonly [number, number] {
  return SHIFTS[Math.floor(now / SHIFT_MS) % SHIFTS.length]!;
}
