import { expect, it } from "vitest";
import { Pace } from "./pace";

function after(...drawings: number[]): boolean {
  const pace = new Pace();
  for (const took of drawings) pace.drew(took);
  return pace.slow;
}
const often = (took: number) => Array<number>(40).fill(took);

it("lets a quick page draw what comes", () => expect(after(...often(16))).toBe(false));
it("slows a page that takes long to draw", () => expect(after(...often(40))).toBe(true));
it("forgives a single slow drawing", () => expect(after(...often(5), 90)).toBe(false));
it("stays slow while drawing takes half as long", () => expect(after(...often(40), ...often(16))).toBe(true));
it("is quick again when there is little to draw", () => expect(after(...often(40), ...often(8))).toBe(false));
