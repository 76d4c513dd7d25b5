// Which water comes to a place: the gauges above it on its rivers, nearest first,
// and the reservoirs above it or beside it. Only what the scope was given is known.
import type { StationState, UnitState } from "./contract";
import { distance, type Point } from "./geo";

export interface Above { id: string; station: StationState; /** of water, ms; null: not known */ travel: number | null; to: StationState }

const NEAR_KM = 25, MOST = 5;
export const isReservoir = (s: StationState): boolean => Object.keys(s.values).some((m) => m.startsWith("reservoir_"));

/** The gauges that speak for a place: its own, else the nearest one of the scope. */
export function gaugesOf(stations: ReadonlyMap<string, StationState>, units: ReadonlyMap<string, UnitState>, unit: string, centre: Point | undefined): StationState[] {
  const gauges = [...stations.values()].filter((s) => s.river && s.flow);
  const own = gauges.filter((s) => s.unit === unit);
  if (own.length || !centre) return own;
  return gauges.filter((s) => units.has(s.unit) && distance(centre, s) < NEAR_KM).sort((a, b) => distance(centre, a) - distance(centre, b)).slice(0, 1);
}

export function above(stations: ReadonlyMap<string, StationState>, here: StationState[]): Above[] {
  const best = new Map<string, Above>();
  for (const to of here) {
    for (const [id, station] of stations) {
      if (station.river !== to.river || !station.flow || station.flow >= to.flow! || here.includes(station)) continue;
      const travel = to.travel_ms ? to.travel_ms - (station.travel_ms ?? 0) : 0;
      const one: Above = { id, station, to, travel: travel > 0 && (station.travel_ms || station.flow === 1) ? travel : null };
      const known = best.get(id);
      if (!known || (one.travel ?? Infinity) < (known.travel ?? Infinity)) best.set(id, one);
    }
  }
  return [...best.values()].sort((a, b) => (a.travel ?? Infinity) - (b.travel ?? Infinity) || b.station.flow! - a.station.flow!).slice(0, MOST);
}

/** Reservoirs on the place's rivers or near it. */
export function reservoirs(stations: ReadonlyMap<string, StationState>, here: StationState[], centre: Point | undefined): [string, StationState][] {
  const rivers = new Set(here.map((s) => s.river));
  return [...stations].filter(([, s]) => isReservoir(s) && (rivers.has(s.river) || (!!centre && distance(centre, s) < NEAR_KM)))
    .sort((a, b) => (centre ? distance(centre, a[1]) - distance(centre, b[1]) : 0)).slice(0, 3);
}
