// Drawing a province flat. A province is small enough for an equirectangular
// projection about its middle (error under 0.1 % of its width), which, unlike
// spherical clipping, does not care which way a ring is wound.
import { Delaunay } from "d3-delaunay";

export interface Point { lat: number; lon: number }
export interface Geometry { type: string; coordinates: any }
export type Box = [west: number, south: number, east: number, north: number];
export type Projection = (lon: number, lat: number) => [number, number];

const polygons = (g: Geometry): number[][][][] => (g.type === "Polygon" ? [g.coordinates] : g.type === "MultiPolygon" ? g.coordinates : []);

export function boxOf(geometries: Geometry[], points: Point[] = []): Box {
  const box: Box = [Infinity, Infinity, -Infinity, -Infinity];
  const grow = (lon: number, lat: number) => {
    box[0] = Math.min(box[0], lon); box[1] = Math.min(box[1], lat);
    box[2] = Math.max(box[2], lon); box[3] = Math.max(box[3], lat);
  };
  for (const g of geometries) for (const p of polygons(g)) for (const [lon, lat] of p[0] ?? []) grow(lon!, lat!);
  for (const p of points) grow(p.lon, p.lat);
  return box;
}

/** Fits the box into width × height with a margin, all in px. */
export function fit(box: Box, width: number, height: number, margin: number): Projection {
  const k = Math.cos((((box[1] + box[3]) / 2) * Math.PI) / 180);
  const w = Math.max((box[2] - box[0]) * k, 1e-6), h = Math.max(box[3] - box[1], 1e-6);
  const s = Math.max(0, Math.min((width - 2 * margin) / w, (height - 2 * margin) / h));
  const x0 = (width - w * s) / 2, y0 = (height - h * s) / 2;
  return (lon, lat) => [x0 + (lon - box[0]) * k * s, y0 + (box[3] - lat) * s];
}

/** The SVG path of a geometry. */
export function pathOf(g: Geometry, project: Projection): string {
  let d = "";
  for (const polygon of polygons(g)) for (const ring of polygon) {
    d += ring.map(([lon, lat], i) => {
      const [x, y] = project(lon!, lat!);
      return `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    }).join("") + "Z";
  }
  return d;
}

/** Voronoi cells of the points, as SVG paths in the points' order; the caller clips them. */
export function cells(points: [number, number][], width: number, height: number): string[] {
  if (points.length < 2) return points.map(() => `M0 0H${width}V${height}H0Z`);
  const voronoi = Delaunay.from(points).voronoi([0, 0, width, height]);
  return points.map((_, i) => voronoi.renderCell(i) ?? "");
}

/** The hull of the points as an SVG path; a line or a dot where there are no three. */
export function hull(points: [number, number][]): string {
  const order = points.length < 3 ? points : [...Delaunay.from(points).hull].map((i) => points[i]!);
  return order.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("") + (order.length ? "Z" : "");
}

/** Kilometres between two points. */
export function distance(a: Point, b: Point): number {
  const rad = Math.PI / 180;
  const x = (b.lon - a.lon) * rad * Math.cos(((a.lat + b.lat) / 2) * rad), y = (b.lat - a.lat) * rad;
  return Math.hypot(x, y) * 6371;
}

export interface Label { text: string; x: number; y: number; anchor: "start" | "end" | "middle"; weight: number }
/** Places names beside their points, the weightiest first; one that finds no free place is left out. */
export function place(wanted: { text: string; x: number; y: number; weight: number; gap: number }[], size: number, width: number, height: number, limit: number): Label[] {
  const taken: [number, number, number, number][] = wanted.map((w) => [w.x - w.gap, w.y - w.gap, w.x + w.gap, w.y + w.gap]);
  const placed: Label[] = [];
  const order = wanted.map((w, i) => ({ w, i })).sort((a, b) => b.w.weight - a.w.weight || a.w.text.localeCompare(b.w.text));
  const seen = new Set<string>();
  for (const { w, i } of order) {
    if (placed.length >= limit) break;
    if (seen.has(w.text)) continue;
    const long = (w.text.length * 0.62 + 0.2) * size, g = w.gap + size * 0.25;
    const tries: [number, number, Label["anchor"], number][] = [
      [w.x + g, w.y + size * 0.35, "start", w.x + g], [w.x - g, w.y + size * 0.35, "end", w.x - g - long],
      [w.x, w.y - g - size * 0.1, "middle", w.x - long / 2], [w.x, w.y + g + size * 0.8, "middle", w.x - long / 2],
    ];
    for (const [x, y, anchor, left] of tries) {
      const box: [number, number, number, number] = [left, y - size * 0.85, left + long, y + size * 0.25];
      if (box[0] < 2 || box[2] > width - 2 || box[1] < 2 || box[3] > height - 2) continue;
      if (taken.some((b, j) => j !== i && b[0] < box[2] && b[2] > box[0] && b[1] < box[3] && b[3] > box[1])) continue;
      taken.push(box);
      seen.add(w.text);
      placed.push({ text: w.text, x, y, anchor, weight: w.weight });
      break;
    }
  }
  return placed;
}
