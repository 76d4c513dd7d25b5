// Which of a metric's targets holds. Pure, so that it can be tested without a page.
import type { KpiState } from "./contract";

/** level is the kind of unit that it holds for, period the report period; "" is all of them. */
export interface Target { value: number; level: string; period: string; source: string }

/** For a unit of the level and figures of the period, as the server's comparison has it: what is said for the level, and then for the period, goes first. */
export function targetOf(targets: readonly Target[] | undefined, level: string, period: string): Target | undefined {
  const fits = (targets ?? []).filter((x) => (!x.level || x.level === level) && (!x.period || x.period === period));
  return fits.sort((a, b) => Number(!!b.level) - Number(!!a.level) || Number(!!b.period) - Number(!!a.period))[0];
}

/** A figure as it is judged for one of the scope's units. */
export const ofUnit = (k: KpiState, unit: string, v: number | null): KpiState => ({ ...k, v, target: unitTarget(k, unit) });

const unitTarget = (k: KpiState, unit: string): number | null => (k.unit_targets && unit in k.unit_targets ? k.unit_targets[unit]! : (k.target ?? null));

/** The units of a figure that have a value and are held against a target, with the value. */
export const heldUnits = (k: KpiState): [unit: string, v: number][] =>
  k.better ? Object.entries(k.units ?? {}).filter((e): e is [string, number] => e[1] !== null && unitTarget(k, e[0]) !== null) : [];

/** What the units of a figure are held against, from the lowest to the highest. */
export const unitTargets = (k: KpiState): number[] =>
  [...new Set(Object.keys(k.units ?? {}).map((unit) => unitTarget(k, unit)).filter((v): v is number => v !== null))].sort((a, b) => a - b);
