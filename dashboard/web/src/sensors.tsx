// Sensor values in words: the level against its alarm levels, rain over its
// windows, everything with its age.
import type { StationState, Value } from "./contract";
import { num, share, short, signed, span } from "./format";
import { lang, say, t } from "./i18n";
import { ORDER } from "./judge";
import { Age } from "./pieces";
import { Mark } from "./severity";
import { now } from "./store";

export const ROMAN = ["I", "II", "III", "IV", "V"];
const GRACE_MS = 10_000;

/** Units of measure and decimals of the metrics that stations send. */
export const MEASURE: Record<string, { symbol: string; decimals: number; name: [string, string] }> = {
  rain: { symbol: "mm", decimals: 1, name: ["Mưa", "Rain"] },
  water_level: { symbol: "m", decimals: 2, name: ["Mực nước", "Water level"] },
  wind_speed: { symbol: "m/s", decimals: 1, name: ["Gió", "Wind"] },
  air_temperature: { symbol: "°C", decimals: 1, name: ["Nhiệt độ", "Temperature"] },
  humidity: { symbol: "%", decimals: 0, name: ["Độ ẩm", "Humidity"] },
  soil_moisture: { symbol: "%", decimals: 0, name: ["Ẩm đất", "Soil moisture"] },
  pm25: { symbol: "µg/m³", decimals: 0, name: ["PM2.5", "PM2.5"] },
  pm10: { symbol: "µg/m³", decimals: 0, name: ["PM10", "PM10"] },
  reservoir_storage: { symbol: "%", decimals: 1, name: ["Tích nước hồ", "Storage"] },
  reservoir_inflow: { symbol: "m³/s", decimals: 0, name: ["Nước đến hồ", "Inflow"] },
  reservoir_outflow: { symbol: "m³/s", decimals: 0, name: ["Nước xả", "Outflow"] },
  fire_alarm: { symbol: "", decimals: 0, name: ["Báo cháy", "Fire alarm"] },
};
export const measureName = (metric: string) => MEASURE[metric]?.name[lang.value === "vi" ? 0 : 1] ?? metric;

export const isStale = (v: Value) => v.stale || v.until + GRACE_MS < now.value;

export function Measured({ metric, v }: { metric: string; v: Value }) {
  const m = MEASURE[metric];
  if (v.v === null) return <span class="v">—</span>;
  return <span class="v">{num(v.v, m?.decimals ?? 2, lang.value)}{m?.symbol && <small>{"\u00a0" + m.symbol}</small>}</span>;
}

/** The highest alarm level that the value has reached: 0 is none. */
export const reached = (v: number, levels: number[]) => levels.filter((l) => v >= l).length;

/** "+0,80 m/giờ"; empty where the water stands, and where nobody has looked for a while. */
const riseWords = (v: Value) => (v.rise_h !== undefined && v.rise_h !== null && !isStale(v) && Math.abs(v.rise_h) >= 0.005 ? `${signed(v.rise_h, 2, lang.value)}\u00a0${t("perHour")}` : "");

/** "+0,80 m/giờ · trên BĐ I · BĐ II 81,50 sau 25 phút" */
export function levelWords(v: Value, levels: number[]): string {
  return [riseWords(v), ...levelParts(v, levels, true)].filter(Boolean).join(" · ");
}

function levelParts(v: Value, levels: number[], full: boolean): string[] {
  const l = lang.value, parts: string[] = [];
  if (v.v === null) return [t("insufficient")];
  const at = reached(v.v, levels);
  if (at > 0) parts.push(`${t("aboveLevel")} ${t("alarmLevel")}\u00a0${ROMAN[at - 1]}`);
  const next = levels[at];
  if (next !== undefined) {
    // After "above Level I" the next one needs no second "Level" in English.
    let text = (at > 0 && l === "en" ? "" : t("alarmLevel") + "\u00a0") + ROMAN[at] + (full ? " " + short(next, 2, l) : "");
    const eta = isStale(v) ? undefined : v.eta_ms; // it counts from what the water was
    if (!full && !eta) text += ` ${short(next, 2, l)}`;
    if (eta) text += ` ${t("after")} ${span(eta, l)}`;
    parts.push(text);
  }
  return parts;
}

/** The water between a metre or so under the first level and the last, with the levels as ticks. */
export function LevelBar({ v, levels }: { v: number; levels: number[] }) {
  const top = levels[levels.length - 1]!, first = levels[0]!, step = Math.max(top - first, 0.5);
  const lo = Math.min(v, first - step) - step * 0.1, hi = Math.max(v, top) + step * 0.15;
  const x = (a: number) => ((a - lo) / (hi - lo)) * 100;
  const at = reached(v, levels), severity = (["calm", "notice", "warning", "critical"] as const)[Math.min(at, 3)];
  return (
    <span class={`levelbar ${severity}`} aria-hidden="true">
      <i class="water" style={{ width: `${x(v)}%` }} />
      {levels.map((l, i) => <i key={i} class="tick" style={{ left: `${x(l)}%` }}><b>{ROMAN[i]}</b></i>)}
    </span>
  );
}

export function windowWords(v: Value, name: string): string {
  const w = v.w?.[name];
  return !w ? "—" : w.v === null ? `${t("insufficient")} ${share(w.n, w.m, lang.value)}` : num(w.v, 1, lang.value);
}

/** How much a station's value deserves to be on the wall; 0 is not at all. */
function weight(s: StationState): number {
  let w = ORDER[s.severity] * 1000;
  const level = s.values.water_level;
  if (level && level.v !== null && s.levels?.water_level?.length) {
    const levels = s.levels.water_level, at = reached(level.v, levels), next = levels[at];
    w += at * 300 + 120;
    if (next !== undefined) w += Math.max(0, 100 - (next - level.v) * 40);
    if (level.rise_h) w += Math.min(100, Math.max(0, level.rise_h * 80));
  }
  const rain = s.values.rain;
  if (rain) w += Math.min(200, (rain.w?.["1h"]?.v ?? 0) * 4 + (rain.w?.["24h"]?.v ?? 0) * 0.8);
  return w;
}

/** Rivers first by what they threaten, then rain; at most so many of each that both are seen. */
export function notable(stations: ReadonlyMap<string, StationState>, n: number): [string, StationState][] {
  const all = [...stations].filter(([, s]) => (s.values.water_level ?? s.values.rain)?.v !== undefined)
    .map((e) => ({ e, w: weight(e[1]) })).filter((x) => x.w > 0)
    .sort((a, b) => b.w - a.w || (a.e[0] < b.e[0] ? -1 : 1));
  const seen = new Set<string>(); // one rain gauge of a unit speaks for its neighbours
  const rivers = all.filter((x) => x.e[1].values.water_level);
  const rains = all.filter((x) => !x.e[1].values.water_level && !seen.has(x.e[1].unit) && seen.add(x.e[1].unit));
  const want = Math.min(rivers.length, Math.max(n - rains.length, Math.ceil(n * 0.6)));
  return [...rivers.slice(0, want), ...rains.slice(0, n - want)].map((x) => x.e);
}

/** A station's name without what kind of post it is, where a symbol or a unit says that already. */
export const brief = (name: string): string => name.replace(/^Trạm (thuỷ văn|đo mưa|khí tượng|quan trắc|đo) /, "").replace(/ (hydrological|rain|weather) (station|gauge)$/, "");

export function NotableRow({ id, station: s }: { id: string; station: StationState }) {
  const level = s.values.water_level, rain = s.values.rain;
  const v = level ?? rain!, metric = level ? "water_level" : "rain", stale = isStale(v) || s.state === "silent";
  const levels = s.levels?.water_level;
  const hour = rain?.w?.["1h"], day = rain?.w?.["24h"];
  return (
    <li class={`notable ${stale ? "stale" : ""}`} data-station={id}>
      <p class="who"><Mark severity={s.severity} silent={s.severity === "calm"} /><span class={brief(say(s.name)).length > 22 ? "long" : ""}>{brief(say(s.name))}</span><Age at={v.t} /></p>
      <p class="what">
        {stale && <span class="old">{s.state === "silent" ? t("silent") : t("stale")}</span>}
        {level ? <><Measured metric={metric} v={level} /><span class="rise">{riseWords(level)}</span></>
          : hour && hour.v !== null ? <span class="v">{num(hour.v, 1, lang.value)}<small>{"\u00a0mm/1\u00a0"}{t("hours")}</small></span>
          : <Measured metric="rain" v={rain!} />}
      </p>
      <p class="how">
        {level ? levels?.length ? levelParts(level, levels, false).join(" · ") : s.river
          : day ? `24 ${t("hours")}: ${day.v === null ? windowWords(rain!, "24h") : num(day.v, 1, lang.value) + "\u00a0mm"}` : ""}
      </p>
      {level && level.v !== null && levels?.length ? <LevelBar v={level.v} levels={levels} /> : null}
    </li>
  );
}
