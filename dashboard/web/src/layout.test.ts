import { describe, expect, it } from "vitest";
import type { AlarmState, Scene } from "./contract";
import { gridOf, held, lightAt, places, shiftAt, turnAt } from "./layout";

const scene = (kind: string, seconds = 30): Scene => ({ id: kind, kind, seconds, name: { vi: kind }, cameras: [], kpis: [] });
const all = ["overview", "disaster", "traffic", "service", "ranking", "tourism", "security"].map((k) => scene(k));
const alarm = (severity: AlarmState["severity"], metric: string, state: AlarmState["state"] = "raised") => ({ severity, metric, state, raised_at: 1 }) as AlarmState;

describe("a wall's places", () => {
  it("is one place on one panel, at any resolution", () => {
    for (const [w, h, unit] of [[1920, 1080, 10.8], [3840, 2160, 21.6]] as const) {
      const g = gridOf({ canvas: [1920, 1080], unit: 10.8 }, 7, w, h);
      expect([g.columns, g.rows, g.cells, g.compact, g.alarms]).toEqual([1, 1, 1, false, 3]);
      expect(g.unit).toBeCloseTo(unit);
    }
  });
  it("is many places on 27 panels, the first of them larger", () => {
    const g = gridOf({ canvas: [17280, 3240], unit: 17.28 }, 8, 17280, 3240);
    expect(g.rows).toBe(2);
    expect(g.first).toEqual([2, 2]);
    expect(g.cells).toBeLessThanOrEqual(8);
    expect(g.cells).toBe(g.columns * g.rows - 3);
  });
  it("gives few scenes all of many panels", () => {
    const g = gridOf({ canvas: [15360, 5400], unit: 10.8 }, 3, 15360, 5400);
    expect([g.columns, g.rows, g.first, g.cells]).toEqual([3, 2, [2, 2], 3]);
  });
  it("has no place without a scene", () => expect(gridOf({ canvas: [17280, 3240], unit: 17.28 }, 2, 17280, 3240).cells).toBeLessThanOrEqual(2));
  it("shows less when it is read from far, and counts what it leaves out", () => expect(gridOf({ canvas: [1920, 1080], unit: 15.1 }, 7, 1920, 1080)).toMatchObject({ compact: true, alarms: 2 }));
  it("puts what has no place of its own into the last", () => {
    const p = places(all, 3);
    expect(p.map((x) => x.length)).toEqual([1, 1, 5]);
    expect(places(all, 1)).toEqual([all]);
  });
});

describe("rotation", () => {
  it("gives each scene its time", () => {
    const two = [scene("a", 60), scene("b", 20)], seen = [0, 0];
    for (let s = 0; s < 800; s++) seen[turnAt(two, s * 1000)]!++;
    expect(seen).toEqual([600, 200]);
  });
  it("never takes a critical alarm away", () => {
    expect(held(all, [alarm("warning", "rain")])).toBe(-1);
    expect(held(all, [alarm("critical", "rain", "cleared")])).toBe(-1);
    expect(held(all, [alarm("critical", "water_level", "acknowledged")])).toBe(0);
    expect(held([scene("traffic"), scene("disaster")], [alarm("critical", "rain")])).toBe(1);
    expect(held([scene("traffic")], [alarm("critical", "fire_alarm")])).toBe(0);
  });
});

describe("light", () => {
  it("is lower at night only", () => {
    const dim = { from: 23, until: 5, to: 0.7 };
    expect([22, 23, 0, 4, 5].map((h) => lightAt(dim, h))).toEqual([1, 0.7, 0.7, 0.7, 1]);
    expect(lightAt({ from: 0, until: 0, to: 0.5 }, 3)).toBe(1);
    expect(lightAt(undefined, 3)).toBe(1);
  });
});

describe("burn-in care", () => {
  it("moves the picture every few minutes, by two pixels at most, and comes back", () => {
    const moved = Array.from({ length: 9 }, (_, i) => shiftAt(i * 240_000 + 1));
    expect(new Set(moved.slice(0, 8).map(String)).size).toBe(8);
    expect(moved[8]).toEqual(moved[0]);
    for (const axis of [0, 1] as const) expect(Math.max(...moved.map((m) => Math.abs(m[axis])))).toBeLessThanOrEqual(2);
    expect(shiftAt(239_999)).toEqual(shiftAt(0));
  });
});
