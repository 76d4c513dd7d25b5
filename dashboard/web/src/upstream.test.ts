import { describe, expect, it } from "vitest";
import type { StationState, UnitState } from "./contract";
import { above, gaugesOf, reservoirs } from "./upstream";

const HOUR = 3_600_000;
const gauge = (unit: string, river: string, flow: number, hours: number, lat = 22, values = {}): StationState => ({ name: { vi: unit + flow }, unit, lat, lon: 104, state: "fresh", severity: "calm", river, flow, travel_ms: hours * HOUR || undefined, values });
const stations = new Map<string, StationState>([
  ["first", gauge("a", "Hồng", 1, 0, 22.9)], ["second", gauge("b", "Hồng", 2, 5, 22.5)], ["unknown", gauge("b", "Hồng", 3, 0, 22.4)], ["here", gauge("c", "Hồng", 4, 9)], ["below", gauge("d", "Hồng", 5, 12, 21.5)],
  ["other", gauge("e", "Chảy", 1, 0, 22.8)], ["lake", gauge("f", "Chảy", 2, 4, 22.05, { reservoir_storage: { v: 80, t: 0, until: 0, q: "good", stale: false } })],
]);
const units = new Map(["a", "b", "c", "d", "e", "f", "g"].map((u) => [u, { name: { vi: u }, lat: 22, lon: 104, severity: "calm", rain_24h: 0 } as UnitState]));

describe("water above a place", () => {
  it("comes from the gauges upstream, the nearest in time first", () => {
    const found = above(stations, gaugesOf(stations, units, "c", undefined));
    expect(found.map((a) => [a.id, a.travel === null ? null : a.travel / HOUR])).toEqual([["second", 4], ["first", 9], ["unknown", null]]);
  });
  it("of a place without a gauge is that of the nearest one", () => {
    expect(gaugesOf(stations, units, "g", { lat: 22.01, lon: 104 }).map((s) => s.unit)).toEqual(["c"]);
    expect(gaugesOf(stations, units, "g", { lat: 10, lon: 104 })).toEqual([]);
  });
  it("stands in reservoirs of its river or near by", () => {
    expect(reservoirs(stations, gaugesOf(stations, units, "e", undefined), undefined).map(([id]) => id)).toEqual(["lake"]);
    expect(reservoirs(stations, gaugesOf(stations, units, "c", undefined), { lat: 22, lon: 104 }).map(([id]) => id)).toEqual(["lake"]);
    expect(reservoirs(stations, gaugesOf(stations, units, "a", undefined), { lat: 22.9, lon: 104 })).toEqual([]);
  });
});
