import { expect, test, vi } from "vitest";

const nothing = () => undefined;
vi.stubGlobal("location", { search: "?lang=vi", pathname: "/" });
vi.stubGlobal("document", { documentElement: {}, addEventListener: nothing });
vi.stubGlobal("addEventListener", nothing);
const { levelWords } = await import("./sensors");
const { now } = await import("./store");

// How fast the water rose says nothing once the gauge is silent.
test("a silent gauge promises nothing", () => {
  const levels = [80.5, 81.5, 82.5];
  const value = { v: 81.2, t: 1_000_000, until: 1_045_000, q: "good", stale: false, rise_h: 0.8, eta_ms: 25 * 60_000, next: 2 } as const;
  now.value = 1_030_000;
  expect(levelWords(value, levels)).toBe("+0,80\u00a0m/giờ · trên BĐ\u00a0I · BĐ\u00a0II 81,5 sau 25\u00a0phút");
  expect(levelWords({ ...value, stale: true }, levels)).toBe("trên BĐ\u00a0I · BĐ\u00a0II 81,5");
  now.value = 1_000_000 + 40 * 60_000; // nobody has told that it is stale
  expect(levelWords(value, levels)).toBe("trên BĐ\u00a0I · BĐ\u00a0II 81,5");
});
