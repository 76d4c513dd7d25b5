// Points of a history as the server's columns name them.
import type { History } from "./contract";

export interface Cell {
  at: number; v: number | null; readings: number; expected: number | null;
  base: number | null; change: number | null; percent: number | null;
  /** Stations or units that reported, of how many; where published figures were asked for. */
  stations: number | null; of: number | null;
  published: { v: number | null; n: number; m: number; revision: number; at: number; difference: number | null; percent: number | null; differs: boolean; other: boolean } | null;
}

export function cells(answer: History, points: unknown[][]): Cell[] {
  const place = new Map((answer.columns ?? ["at", "value", "readings", "expected"]).map((name, i) => [name, i]));
  const get = (p: unknown[], name: string) => { const i = place.get(name); return i === undefined ? null : (p[i] ?? null); };
  const numberOf = (p: unknown[], name: string) => get(p, name) as number | null;
  return points.map((p) => ({
    at: numberOf(p, "at") ?? 0, v: numberOf(p, "value"), readings: numberOf(p, "readings") ?? 0, expected: numberOf(p, "expected"),
    base: numberOf(p, "base"), change: numberOf(p, "change"), percent: numberOf(p, "change_percent"),
    stations: numberOf(p, "stations"), of: numberOf(p, "of"),
    published: numberOf(p, "revision") === null ? null : {
      v: numberOf(p, "published"), n: numberOf(p, "published_stations") ?? 0, m: numberOf(p, "published_of") ?? 0, revision: numberOf(p, "revision")!, at: numberOf(p, "published_at") ?? 0,
      difference: numberOf(p, "difference"), percent: numberOf(p, "difference_percent"), differs: get(p, "differs") === true, other: get(p, "other_formula") === true,
    },
  }));
}
