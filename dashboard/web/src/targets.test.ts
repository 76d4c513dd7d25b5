import { describe, expect, it } from "vitest";
import type { KpiState } from "./contract";
import { kpiSeverity } from "./judge";
import { heldUnits, ofUnit, targetOf, unitTargets, type Target } from "./targets";

const target = (value: number, level = "", period = ""): Target => ({ value, level, period, source: "" });

describe("a target", () => {
  const all = [target(99, "commune", "year"), target(90, "province"), target(60, "commune"), target(50)];
  it.each([["province", "", 90], ["commune", "", 60], ["commune", "month", 60], ["commune", "year", 99], ["province", "year", 90], ["ward", "year", 50]])("of a %s, %s", (level, period, value) => expect(targetOf(all, level, period)?.value).toBe(value));
  it("of another period is none", () => expect(targetOf([target(99, "", "year")], "commune", "month")).toBeUndefined());
});

describe("a figure by unit", () => {
  const k = { target: 90, better: "higher", v: 70, units: { C1: 70, W1: 70, W2: 70 }, unit_targets: { C1: 60, W1: null } } as unknown as KpiState;
  const judged = (unit: string) => kpiSeverity(ofUnit(k, unit, 70));
  it("is held against the unit's own target", () => expect(["C1", "W1", "W2"].map(judged)).toEqual(["calm", "calm", "warning"]));
  const held = (change: object) => heldUnits({ ...k, ...change } as KpiState).map(([unit]) => unit);
  it.each<[string, object, string[]]>([
    ["a unit without a target of its own", {}, ["C1", "W2"]],
    ["a unit without a value", { units: { C1: null, W1: 70, W2: 70 } }, ["W2"]],
    ["any, without a target", { target: null, unit_targets: {} }, []],
    ["any, where nothing is better", { better: "" }, []],
    ["any, without units", { units: null }, []],
  ])("is not held against a target of %s", (_, change, want) => expect(held(change)).toEqual(want));
  it("says all that its units are held against", () => expect(unitTargets(k)).toEqual([60, 90]));
});
