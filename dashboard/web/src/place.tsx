// The card of a place: rain over its windows, levels against their alarm levels, and
// every sensor with its age. Stations outside the scope's units are upstream gauges.
import type { KpiState, StationState, UnitState } from "./contract";
import { distance, type Point } from "./geo";
import { num, share } from "./format";
import { lang, say, t } from "./i18n";
import { Age } from "./pieces";
import { isStale, LevelBar, levelWords, Measured, measureName } from "./sensors";
import { Mark } from "./severity";
import { above, gaugesOf } from "./upstream";
import { WaterAbove } from "./water";

const WINDOWS = ["1h", "3h", "6h", "24h", "72h"];
const NEAR_KM = 25, RAINS = 4, LEVELS = 4, ROWS = 40;

/** Figures of a unit that a duty officer asks about first. */
const ASKED = ["dossiers_overdue", "feedback_open", "on_time_share", "guests_staying"];

export function PlaceCard({ kpis, units, unit, stations, about, onUnit }: { kpis: ReadonlyMap<string, KpiState>; units: ReadonlyMap<string, UnitState>; unit: string; stations: ReadonlyMap<string, StationState>; about: Point | undefined | "" | null; onUnit: (u: string) => void }) {
  const u = units.get(unit), l = lang.value;
  const centre = (about || u) as Point | undefined;
  const far = (s: StationState) => (centre ? distance(centre, s) : 0);
  const all = [...stations].filter(([id]) => !id.startsWith("unit:") && !id.startsWith("camera:"));
  const here = all.filter(([, s]) => s.unit === unit);
  const upstream = all.filter(([, s]) => !units.has(s.unit));
  const within = (metric: string, n: number) => {
    const mine = here.filter(([, s]) => s.values[metric]);
    const rest = all.filter(([, s]) => s.unit !== unit && units.has(s.unit) && s.values[metric] && far(s) < NEAR_KM).sort((a, b) => far(a[1]) - far(b[1]));
    return [...mine, ...rest].slice(0, n);
  };
  // What stands in the list of the water above the place is not said here once more.
  const later = new Set(above(stations, gaugesOf(stations, units, unit, centre)).map((a) => a.id));
  const rains = within("rain", RAINS), levels = [...within("water_level", LEVELS), ...upstream.filter(([, s]) => s.values.water_level)].filter(([id]) => !later.has(id));
  const names = [...units].sort((a, b) => say(a[1].name).localeCompare(say(b[1].name), "vi"));

  return (
    <section class="panel place" aria-label={t("place")}>
      <header>
        <h2>{t("place")}</h2>
        <select aria-label={t("unit")} value={unit} onChange={(e) => onUnit(e.currentTarget.value)}>
          {names.map(([code, n]) => <option key={code} value={code}>{say(n.name)}</option>)}
        </select>
        {u && u.severity !== "calm" && <span class="sev"><Mark severity={u.severity} silent /> {t(u.severity)}</span>}
      </header>
      <p class="unitfigures">{ASKED.flatMap((id) => { const k = kpis.get(id), v = k?.units?.[unit]; return k && v !== null && v !== undefined ? [<span key={id} class="chip">{say(k.name)} <b>{num(v, k.decimals, l)}</b>{k.symbol === "%" ? " %" : ""}</span>] : []; })}</p>

      <h3>{t("rain")} (mm)</h3>
      {rains.length === 0 ? <p class="muted">{t("noSensors")}</p> : (
        <div class="scroll" tabIndex={0} role="group" aria-label={t("place")}>
          <table class="rains">
            <thead><tr><th>{t("stations")}</th>{WINDOWS.map((w) => <th class="n" key={w}>{w.replace("h", "\u00a0" + t("hours"))}</th>)}<th class="n">{t("age")}</th></tr></thead>
            <tbody>
              {rains.map(([id, s]) => {
                const v = s.values.rain!;
                return (
                  <tr key={id} class={isStale(v) ? "stale" : ""}>
                    <th scope="row"><Name s={s} unit={unit} km={far(s)} /></th>
                    {WINDOWS.map((w) => {
                      const win = v.w?.[w];
                      return <td class="n" key={w} title={win ? `${t("coverage")} ${share(win.n, win.m, l)}` : undefined}>{!win ? "—" : win.v === null ? <span class="few">{t("insufficient")}<br />{share(win.n, win.m, l)}</span> : <b>{num(win.v, 1, l)}</b>}</td>;
                    })}
                    <td class="n"><Age at={v.t} /></td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}

      <h3>{t("level")}</h3>
      {levels.length === 0 && <p class="muted">{t("noSensors")}</p>}
      <ul class="levels">
        {levels.map(([id, s]) => {
          const v = s.values.water_level!, at = s.levels?.water_level ?? [];
          return (
            <li key={id} class={isStale(v) ? "stale" : ""} data-station={id}>
              <p class="lead"><Mark severity={s.severity} silent={s.severity === "calm"} /><span><Name s={s} unit={unit} km={far(s)} />{!units.has(s.unit) && <em> {t("upstream")}</em>}</span><Measured metric="water_level" v={v} /></p>
              {v.v !== null && at.length > 0 && <LevelBar v={v.v} levels={at} />}
              <p class="sub"><span>{levelWords(v, at)}</span><span>{isStale(v) ? t("stale") + " " : ""}<Age at={v.t} /></span></p>
            </li>
          );
        })}
      </ul>

      <WaterAbove stations={stations} units={units} unit={unit} centre={centre} />

      <details open={here.length <= 6}>
        <summary>{t("sensors")} ({here.length})</summary>
        <div class="scroll" tabIndex={0} role="group" aria-label={t("place")}>
          <table>
            <tbody>
              {here.slice(0, ROWS).flatMap(([id, s]) => Object.entries(s.values).map(([metric, v]) => (
                <tr key={id + metric} class={isStale(v) ? "stale" : ""}>
                  <th scope="row">{say(s.name)}<br /><small>{id}</small></th>
                  <td>{measureName(metric)}</td>
                  <td class="n"><Measured metric={metric} v={v} /></td>
                  <td class="n">{isStale(v) && <span class="old">{s.state === "silent" ? t("silent") : t("stale")} </span>}<Age at={v.t} /></td>
                </tr>
              )))}
            </tbody>
          </table>
        </div>
      </details>
    </section>
  );
}

const Name = ({ s, unit, km }: { s: StationState; unit: string; km: number }) => (
  <>{say(s.name)}{s.unit !== unit && <small> {num(km, 0, lang.value)} km</small>}</>
);
