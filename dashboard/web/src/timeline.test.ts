import { expect, test } from "vitest";
import { clampTo, fromLocal, learnt, meant, nearest, percent, ticks, toLocal, visible, windowOf, written } from "./timeline";

const H = 3_600_000;

test("a window keeps within what is kept, and has its whole span", () => {
  expect(windowOf(50 * H, 6 * H, 0, 100 * H)).toEqual([47 * H, 53 * H]);
  expect(windowOf(1 * H, 6 * H, 0, 100 * H)).toEqual([0, 6 * H]);
  expect(windowOf(99 * H, 6 * H, 0, 100 * H)).toEqual([94 * H, 100 * H]);
  expect(windowOf(1 * H, 6 * H, 0, 2 * H)).toEqual([0, 2 * H]);
  expect(windowOf(1 * H, 0, 0, 100 * H)).toEqual([0, 100 * H]);
  const [from, until] = windowOf(5, 6 * H, 5, 5);
  expect(until).toBeGreaterThan(from);
});

test("what a window shows of ranges", () => {
  expect(visible([[0, 10], [20, 30], [40, 50]], [5, 25])).toEqual([[5, 10], [20, 25]]);
  expect(percent(15, [10, 20])).toBe(50);
  expect(clampTo(5, 10, 20)).toBe(10);
  expect(clampTo(25, 10, 20)).toBe(20);
});

test("date and time are Vietnam's, wherever the screen stands", () => {
  expect(fromLocal("21/11/2026 13:47")).toBe(Date.UTC(2026, 10, 21, 6, 47));
  expect(fromLocal(" 1/2/2026 6:05:09 ")).toBe(Date.UTC(2026, 0, 31, 23, 5, 9));
  expect(toLocal(Date.UTC(2026, 10, 21, 6, 47, 5))).toBe("21/11/2026 13:47:05");
  expect(toLocal(Date.UTC(2026, 10, 21, 18, 0))).toBe("22/11/2026 01:00:00");
  for (const at of [0, 1795332824485]) expect(fromLocal(toLocal(at))).toBe(Math.floor(at / 1000) * 1000);
  for (const bad of ["", "gestern", "21/11/2026", "31/02/2026 10:00", "21/13/2026 10:00", "21/11/2026 24:00", "21/11/2026 10:60", "2026-11-21T13:47"]) expect(fromLocal(bad)).toBeNull();
});

test("the picture of a moment is the newest before it, else the first after, and never a far one", () => {
  const of = (at: number) => nearest([10_000, 40_000, 70_000, 400_000], at, (x) => x);
  expect(of(45_000)).toBe(40_000);
  expect(of(40_000)).toBe(40_000);
  expect(of(5_000)).toBe(10_000);
  expect(of(200_000)).toBeUndefined();
});

test("ticks are round in Vietnam's time and not too many", () => {
  const day = ticks([Date.UTC(2026, 10, 20, 17), Date.UTC(2026, 10, 21, 17)], 8);
  expect(day.length).toBeLessThanOrEqual(9);
  expect(day[0]).toBe(Date.UTC(2026, 10, 20, 17)); // midnight there
  for (const span of [10 * 60_000, H, 6 * H, 24 * H, 7 * 24 * H, 30 * 24 * H]) {
    const list = ticks([1e12, 1e12 + span], 8);
    expect(list.length).toBeGreaterThan(0);
    expect(list.length).toBeLessThanOrEqual(9);
  }
});

test.each([["2026-04-03", "03/04/2026"], ["2026-11-21T13:47", "21/11/2026 13:47"]])("%s is written %s and read back", (iso, text) => {
  expect(written(iso)).toBe(text);
  expect(meant(text, iso.length > 10)).toBe(iso);
});

test("a date that is none is not taken for another", () => {
  expect(meant("31/02/2026", false)).toBeNull();
  expect(meant("2026-02-01", false)).toBeNull();
  expect(meant("1/2/2026", false)).toBe("2026-02-01");
  expect(written("")).toBe("");
});

test("alarms of the past are learnt once, and anew when they have changed since", () => {
  const a = (id: string, changed_at: number) => ({ id, changed_at }), first = learnt([], [a("x", 1), a("y", 1)])!;
  expect(learnt(first, [a("x", 1), a("y", 0)])).toBeNull();
  expect(learnt(first, [a("y", 2), a("z", 1)])).toEqual([a("x", 1), a("y", 2), a("z", 1)]);
  expect(learnt(first, Array.from({ length: 6000 }, (_, i) => a(`n${i}`, 1)))).toHaveLength(5000);
});
