import { expect, it } from "vitest";
import { Pace } from "./pace";

function after(...drawings: number[]): number {
  const pace = new Pace();
  for (const took of drawings) pace.drew(0, took);
  return pace.wait(0);
}
const often = (took: number) => Array<number>(40).fill(took);

it("lets a quick page draw at every tick", () => expect(after(...often(8))).toBeLessThan(100));
it("gives a slow page a ninth of the time", () => expect(after(...often(60))).toBeCloseTo(480, 0));
it("never waits longer than a second", () => expect(after(...often(5000))).toBe(1000));
it("forgives a single slow drawing", () => expect(after(...often(5), 100, 5, 5)).toBeLessThan(180));
it("counts from the beginning of the drawing before", () => {
  const pace = new Pace();
  for (const took of often(60)) pace.drew(1000, took);
  expect(pace.wait(1100)).toBeCloseTo(380, 0);
  expect(pace.wait(2000)).toBe(0);
});
