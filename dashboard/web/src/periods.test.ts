import { describe, expect, it } from "vitest";
import { isoDay, periodOf, stepName } from "./periods";

const at = (iso: string) => Date.parse(iso + "T00:00:00+07:00");

describe("steps", () => {
  it("are named as reports name them", () => {
    expect(stepName("period:month", at("2026-10-01"), "vi")).toBe("Tháng 10/2026");
    expect(stepName("period:quarter", at("2026-07-01"), "vi")).toBe("Quý III/2026");
    expect(stepName("period:half", at("2026-07-01"), "vi")).toBe("6 tháng cuối năm 2026");
    expect(stepName("period:year", at("2026-01-01"), "en")).toBe("2026");
    expect(stepName("period:week", at("2026-11-16"), "vi")).toBe("Tuần từ 16/11/2026");
    expect(stepName("1d", at("2026-11-16"), "vi")).toBe("16/11/2026");
  });
  it("from the 15th have the name of the month they end in", () => {
    expect(stepName("period:month15", at("2026-10-15"), "vi")).toBe("Tháng 11/2026 (kỳ 15)");
    expect(stepName("period:month15", at("2025-12-15"), "vi")).toBe("Tháng 1/2026 (kỳ 15)");
    expect(stepName("period:quarter15", at("2025-12-15"), "en")).toBe("Q1 2026 (from 15th)");
    expect(stepName("period:year15", at("2025-12-15"), "vi")).toBe("Năm 2026 (kỳ 15)");
  });
  it("know their kind and civil day", () => {
    expect([periodOf("1h"), periodOf("1d"), periodOf("period:rainday")]).toEqual(["", "day", "rainday"]);
    expect(isoDay(Date.parse("2026-11-21T18:00:00Z"))).toBe("2026-11-22");
  });
});
