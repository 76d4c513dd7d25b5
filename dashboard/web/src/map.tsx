// The map: unit shapes in SVG, stations and cameras on a canvas above it, names
// only where something is wrong. Grey shades are rain; colour is only what is
// abnormal.
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import outline from "virtual:outline";
import type { CameraState, Severity, StationState, UnitState } from "./contract";
import { boxOf, cells, fit, hull, pathOf, place, type Geometry } from "./geo";
import { num } from "./format";
import { lang, say, t } from "./i18n";
import { cameraSeverity, ORDER } from "./judge";
import { COLOUR, SHAPE } from "./severity";
import { api } from "./api";
import { useFetched } from "./store";

interface MapAnswer { official: boolean; outline: Geometry | null; units: { features: { properties: { code: string }; geometry: Geometry }[] } | null }

/** A figure by unit, instead of the rain. */
export interface Shading {
  of: Readonly<Record<string, number | null>>;
  /** What the darkest and the lightest grey stand for. */
  range: [number, number];
  severity: (value: number, unit: string) => Severity;
  label: string;
  words: (value: number) => string;
  /** The units that are named, the most wanting first. */
  named: readonly string[];
}

/**
 * The map is the heaviest thing on a page: the first one waits until the page has
 * shown what is quick to show, so long at most, ms.
 */
const WAIT_MS = 600;
let drawnBefore = false;

interface Props {
  units: ReadonlyMap<string, UnitState>;
  stations: ReadonlyMap<string, StationState>;
  cameras: ReadonlyMap<string, CameraState>;
  /** The whole province is framed by its outline; a slice by its own units. */
  whole: boolean;
  chosen?: string;
  onChoose?: (unit: string) => void;
  shade?: Shading;
  /** Stations and cameras are left out: the figure is all that matters. */
  bare?: boolean;
}

/** From the ground, 0, to the lightest grey, 1. */
function grey(k: number): string {
  const mix = (a: number, b: number) => Math.round(a + (b - a) * Math.min(1, Math.max(0, k)));
  return `rgb(${mix(27, 82)} ${mix(34, 98)} ${mix(41, 114)})`;
}
/** 0 mm is the ground, 100 mm and more the lightest grey. */
const rainGrey = (mm: number | null | undefined) => grey(Math.sqrt(Math.min(100, Math.max(0, mm ?? 0)) / 100));

/** How the stations and cameras look and where they stand, as one number: what is not drawn anew is not redrawn. */
function looks(stations: Props["stations"], cameras: Props["cameras"]): number {
  let h = 0x811c9dc5;
  const mix = (n: number) => { h = Math.imul(h ^ n, 0x01000193); };
  for (const s of stations.values()) { mix(ORDER[s.severity] * 4 + (s.state === "fresh" ? 0 : s.state === "stale" ? 1 : 2)); mix(s.lon * 1e5); mix(s.lat * 1e5); }
  mix(-1);
  for (const [id, c] of cameras) { mix(ORDER[cameraSeverity(c.state)]); mix(c.lon * 1e5); mix(c.lat * 1e5); mix(id.length); }
  return h;
}

/** Values move several times a second; the map is drawn when something on it looks different. */
export function ProvinceMap(props: Props) {
  const look = props.bare ? 0 : looks(props.stations, props.cameras);
  let at = look.toString();
  for (const [code, u] of props.units) at += `,${code}${u.severity}${props.shade ? "" : rainGrey(u.rain_24h)}`;
  const { shade } = props;
  if (shade) {
    at += `,${shade.label}${shade.range}${shade.named}${shade.words(0)}`;
    for (const code in shade.of) at += `,${code}${shade.of[code]}`;
  }
  return useMemo(() => <DrawnMap {...props} look={look} />, [at, props.whole, props.chosen, props.bare, props.onChoose === undefined, lang.value]);
}

function DrawnMap({ units, stations, cameras, whole, chosen, onChoose, shade, bare, look }: Props & { look: number }) {
  const id = useId();
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState<[number, number]>([0, 0]);
  const [turn, setTurn] = useState(drawnBefore || !("requestIdleCallback" in window));
  const given = useFetched<MapAnswer>("map", (signal) => api("GET", "map", undefined, signal));

  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect;
      setSize([Math.round(width), Math.round(height)]);
    });
    watch.observe(frame.current!);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    drawnBefore = true;
    if (turn) return;
    const asked = requestIdleCallback(() => setTurn(true), { timeout: WAIT_MS });
    return () => cancelIdleCallback(asked);
  }, []);
  const [width, height] = size;

  const codes = [...units.keys()].join();
  const drawn = useMemo(() => {
    if (!turn || !width || !units.size) return null;
    const official = given?.official && given.units ? new Map(given.units.features.map((f) => [f.properties.code, f.geometry])) : null;
    const around = given?.outline ?? (official ? null : (outline as Geometry));
    const points = [...units.values()];
    const mine = official ? [...units.keys()].flatMap((c) => official.get(c) ?? []) : [];
    const box = mine.length ? boxOf(mine) : whole && around ? boxOf([around], points) : boxOf([], points);
    if (!whole && !mine.length) { // room around the outermost centre points
      const pad = Math.max(box[2] - box[0], box[3] - box[1]) * 0.14 + 0.03;
      box[0] -= pad; box[1] -= pad; box[2] += pad; box[3] += pad;
    }
    const project = fit(box, width, height, Math.min(width, height) * 0.02);
    const shapes = official
      ? [...units.keys()].map((c) => (official.has(c) ? pathOf(official.get(c)!, project) : ""))
      : cells(points.map((u) => project(u.lon, u.lat)), width, height);
    // A slice has no neighbours to end its outermost cells: a rounded hull does.
    const near: [number, number][] = !whole && !official ? points.map((u) => project(u.lon, u.lat)) : [];
    const gaps = near.map((a, i) => Math.min(...near.filter((_, j) => j !== i).map((b) => Math.hypot(a[0] - b[0], a[1] - b[1]))));
    const reach = near.length > 1 ? Math.max(...gaps) * 0.7 : Math.min(width, height) / 3;
    return { project, shapes, around: hull(near), reach, edge: around ? pathOf(around, project) : "", official: !!official };
  }, [turn, codes, width, height, given, whole]);

  useEffect(() => {
    const el = canvas.current, scale = Math.min(3, devicePixelRatio || 1);
    if (!el || !drawn) return;
    if (el.width !== width * scale || el.height !== height * scale) { el.width = width * scale; el.height = height * scale; }
    const g = el.getContext("2d")!;
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.clearRect(0, 0, width, height);
    const r = Math.max(2, Math.min(width, height) / 210);
    const shape = (x: number, y: number, severity: "critical" | "warning" | "notice", half: number) => {
      g.save();
      g.translate(x - half, y - half);
      g.scale(half / 10, half / 10);
      const p = new Path2D(SHAPE[severity]);
      g.fillStyle = COLOUR[severity];
      g.fill(p);
      g.lineWidth = 2; g.strokeStyle = "#101418";
      g.stroke(p);
      g.restore();
    };
    const wrong: [number, () => void][] = [];
    g.lineWidth = Math.max(1, r / 2.5);
    for (const s of stations.values()) {
      const [x, y] = drawn.project(s.lon, s.lat);
      if (s.severity !== "calm") { const sev = s.severity; wrong.push([ORDER[sev], () => shape(x, y, sev, r * 2.6)]); continue; }
      g.beginPath();
      g.arc(x, y, r, 0, 7);
      if (s.state === "fresh") { g.fillStyle = "#9aa4ae"; g.fill(); }
      else { g.setLineDash(s.state === "silent" ? [r * 0.9, r * 0.7] : []); g.strokeStyle = "#6d7781"; g.stroke(); g.setLineDash([]); }
    }
    for (const c of cameras.values()) {
      const [x, y] = drawn.project(c.lon, c.lat), sev = cameraSeverity(c.state), half = r * (sev === "calm" ? 1.25 : 1.9);
      wrong.push([sev === "calm" ? -1 : ORDER[sev] - 0.5, () => {
        g.beginPath();
        g.roundRect(x - half, y - half * 0.75, half * 2, half * 1.5, half * 0.35);
        g.strokeStyle = "#101418"; g.lineWidth = r * 0.5;
        if (sev === "calm") { g.fillStyle = "#cfd6dc"; g.fill(); g.stroke(); return; }
        g.fillStyle = "#101418"; g.fill();
        g.strokeStyle = COLOUR[sev]; g.setLineDash([r * 1.1, r * 0.7]); g.lineWidth = r * 0.7; g.stroke(); g.setLineDash([]);
      }]);
    }
    wrong.sort((a, b) => a[0] - b[0]).forEach(([, draw]) => draw());
  }, [look, drawn]); // units may change their shade under the same stations

  const font = Math.max(12, Math.min(width, height) / 27);
  const wrongAt = (code: string, u: UnitState): Severity => {
    const v = shade?.of[code];
    return !shade ? u.severity : v === null || v === undefined ? "calm" : shade.severity(v, code);
  };
  const fill = (code: string, u: UnitState) => {
    if (!shade) return rainGrey(u.rain_24h);
    const v = shade.of[code];
    return v === null || v === undefined ? `url(#${id}few)` : grey((v - shade.range[0]) / (shade.range[1] - shade.range[0] || 1));
  };
  const names = drawn
    ? place(
        shade ? shade.named.slice(0, 9).flatMap((code, i) => {
          const u = units.get(code), v = shade.of[code];
          if (!u || v === null || v === undefined) return [];
          const [x, y] = drawn.project(u.lon, u.lat);
          return [{ text: `${say(u.name)} ${shade.words(v)}`, weight: 99 - i, x, y, gap: font * 0.42 }];
        }) : [
          ...[...units.values()].filter((u) => u.severity !== "calm").map((u) => ({ u, w: ORDER[u.severity] * 2 + 1 })).map(({ u, w }) => ({ text: say(u.name), weight: w, at: u as { lon: number; lat: number } })),
          ...[...cameras.values()].filter((c) => cameraSeverity(c.state) === "warning").map((c) => ({ text: say(c.name), weight: 2, at: c as { lon: number; lat: number } })),
        ].map(({ text, weight, at }) => { const [x, y] = drawn.project(at.lon, at.lat); return { text, weight, x, y, gap: font * 0.42 }; }),
        font, width, height, 9)
    : [];

  return (
    <div class="map">
      <div class="mapframe" ref={frame}>
        {drawn && (
          <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={t("map")}>
            <defs>
              {shade && <pattern id={id + "few"} width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="7" height="7" fill="#171d23" /><path d="M0 0V7" stroke="#46525c" stroke-width="2" /></pattern>}
              {drawn.around && <mask id={id + "near"} maskUnits="userSpaceOnUse" x="0" y="0" width={width} height={height}><path d={drawn.around} fill="#fff" stroke="#fff" stroke-width={drawn.reach * 2} stroke-linejoin="round" stroke-linecap="round" /></mask>}
              <clipPath id={id + "edge"}><path d={drawn.edge || `M0 0H${width}V${height}H0Z`} clip-rule="evenodd" /></clipPath>
            </defs>
            <g clip-path={drawn.official ? undefined : `url(#${id}edge)`} mask={drawn.around ? `url(#${id}near)` : undefined}>
              {[...units].map(([code, u], i) => (
                <path key={code} d={drawn.shapes[i]} class="cell" style={{ fill: fill(code, u) }} onClick={onChoose && (() => onChoose(code))}>
                  {onChoose && <title>{say(u.name)}</title>}
                </path>
              ))}
              {[...units].map(([code, u], i) => { const sev = wrongAt(code, u); return sev === "calm" ? null : <path key={code} d={drawn.shapes[i]} class={`cell over ${sev}`} />; })}
              {[...units.keys()].map((code, i) => (code === chosen ? <path key={code} d={drawn.shapes[i]} class="cell chosen" /> : null))}
            </g>
            {drawn.edge && <path d={drawn.edge} class="edge" />}
          </svg>
        )}
        {!bare && <canvas ref={canvas} style={{ width: `${width}px`, height: `${height}px` }} aria-hidden="true" />}
        {drawn && (
          <svg class="names" width={width} height={height} viewBox={`0 0 ${width} ${height}`} style={{ fontSize: `${font}px` }}>
            {names.map((n) => <text key={n.text} x={n.x} y={n.y} text-anchor={n.anchor}>{n.text}</text>)}
          </svg>
        )}
      </div>
      <p class="mapfoot">
        {drawn && !drawn.official && <span>{t("sketch")}</span>}
        {shade
          ? <span class="rainkey"><span>{shade.label}</span> {shade.words(shade.range[0])}<i aria-hidden="true" style={{ background: `linear-gradient(90deg, ${grey(0)}, ${grey(1)})` }} />{shade.words(shade.range[1])}</span>
          : <span class="rainkey"><span>{t("rain24")}</span> 0<i aria-hidden="true" style={{ background: `linear-gradient(90deg, ${[0, 10, 25, 50, 100].map((mm) => `${rainGrey(mm)} ${mm}%`).join(",")})` }} />{num(100, 0, lang.value)} mm</span>}
      </p>
    </div>
  );
}
