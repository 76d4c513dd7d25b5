import { describe, expect, it } from "vitest";
import type { AlarmState, CameraHealth, CameraState, KpiState } from "./contract";
import { byUrgency, byWeight, chooseCameras, chooseKpis, kpiSeverity, withoutPlace, worstNews } from "./judge";
import { untilQuiet } from "./quiet";

const camera = (state: CameraHealth, since = 0) => ({ state, since }) as CameraState;
const kpi = (v: number | null, target: number | null, better: KpiState["better"] = "higher") => ({ v, target, better }) as KpiState;

describe("cameras on a wall", () => {
  const many = (n: number, state: CameraHealth, from: number) => Array.from({ length: n }, (_, i) => [`c${String(from + i).padStart(2, "0")}`, camera(state, i)] as const);
  const ids = (m: ReadonlyMap<string, CameraState>, turn = 0) => chooseCameras(m, 6, turn).map(([id]) => id);

  it("shows what is wrong first and always something living", () => {
    const all = new Map([...many(20, "live", 0), ...many(9, "offline", 20)]);
    expect(chooseCameras(all, 6, 0).map(([, c]) => c.state)).toEqual(["offline", "offline", "offline", "live", "live", "live"]);
  });
  it("takes turns through all of them", () => {
    const all = new Map([...many(20, "live", 0), ...many(9, "frozen", 20)]);
    const seen = new Set(Array.from({ length: 20 }, (_, turn) => ids(all, turn)).flat());
    expect(seen.size).toBe(29);
  });
  it("never shows one twice, and stays where all fit", () => {
    const all = new Map([...many(4, "live", 0), ...many(1, "dark", 4), ...many(1, "maintenance", 5)]);
    expect(ids(all)).toEqual(["c04", "c00", "c01", "c02", "c03", "c05"]);
    expect(ids(all, 7)).toEqual(ids(all));
  });
  it("shows only bad ones where none lives", () => expect(ids(new Map(many(9, "offline", 0)))).toHaveLength(6));
});

describe("figures", () => {
  it.each([
    [kpi(96, 95), "calm"], [kpi(95, 95), "calm"], [kpi(94, 95), "notice"], [kpi(80, 95), "warning"],
    [kpi(41, 0, "lower"), "warning"], [kpi(0, 0, "lower"), "calm"], [kpi(null, 95), "calm"], [kpi(10, null), "calm"], [kpi(10, 95, ""), "calm"],
  ] as const)("%o is %s", (k, want) => expect(kpiSeverity(k)).toBe(want));
  it("puts the service shares first, then what misses its target", () => {
    const all = new Map([["zz", kpi(10, 95)], ["aa", kpi(99, 95)], ["satisfaction", kpi(99, 90)], ["on_time_share", kpi(99, 90)]]);
    expect(chooseKpis(all, 3).map(([id]) => id)).toEqual(["on_time_share", "satisfaction", "zz"]);
  });
});

it("alarms: unacknowledged first, then the worse, then the newer", () => {
  const a = (id: string, state: string, severity: string, raised_at: number) => ({ id, state, severity, raised_at }) as AlarmState;
  const sorted = [a("old", "raised", "warning", 1), a("mine", "acknowledged", "critical", 9), a("new", "raised", "warning", 5), a("low", "raised", "notice", 9), a("bad", "raised", "critical", 0)].sort(byUrgency);
  expect(sorted.map((x) => x.id)).toEqual(["bad", "new", "old", "low", "mine"]);
});

it("alarms on a wall: what is critical is not taken away, though somebody has it and others are new", () => {
  const a = (id: string, state: string, severity: string) => ({ id, state, severity, raised_at: 1 }) as AlarmState;
  const list = [a("cam1", "raised", "warning"), a("cam2", "raised", "warning"), a("cam3", "raised", "notice"), a("river1", "acknowledged", "critical"), a("river2", "assigned", "critical")];
  expect(list.sort(byWeight).slice(0, 3).map((x) => x.id)).toEqual(["river1", "river2", "cam1"]);
});

it("an alarm's place is not said twice", () => {
  expect(withoutPlace("Bản Hồ: mưa 31 mm trong 1 giờ", "Bản Hồ")).toBe("mưa 31 mm trong 1 giờ");
  expect(withoutPlace("mưa ở Bản Hồ", "Bản Hồ")).toBe("mưa ở Bản Hồ");
  expect(withoutPlace("Bản Hồ", "Bản Hồ")).toBe("Bản Hồ");
  expect(withoutPlace("mưa", "")).toBe("mưa");
});

it("the daily reload is at four in Vietnam, not within the hour, spread over twenty minutes", () => {
  const noon = Date.parse("2026-11-22T05:00:00Z"), hour = 3_600_000;
  expect(untilQuiet(noon, 0)).toBe(16 * hour);
  expect(untilQuiet(noon, 1)).toBe(16 * hour + 20 * 60_000);
  expect(untilQuiet(noon + 15.5 * hour, 0)).toBe(24.5 * hour);
});

describe("what is to be heard", () => {
  const raised = (id: string, severity: AlarmState["severity"]) => ({ id, severity, state: "raised" }) as AlarmState;
  it("is the first alarm of a quiet scope", () => expect(worstNews(new Map(), [raised("a", "notice")])).toBe("notice"));
  it("is an alarm that became worse", () => expect(worstNews(new Map([["a", "warning"]]), [raised("a", "critical")])).toBe("critical"));
  it("is the worst of several", () => expect(worstNews(new Map([["a", "critical"]]), [raised("a", "critical"), raised("b", "notice"), raised("c", "warning")])).toBe("warning"));
  it("is nothing that was known, or is less bad now", () => expect(worstNews(new Map([["a", "critical"], ["b", "notice"]]), [raised("a", "warning"), raised("b", "notice")])).toBeUndefined());
});
