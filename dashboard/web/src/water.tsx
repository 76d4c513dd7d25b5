// The part of a place's card about water that is still to come: reservoirs with what
// comes and what is let go, and the gauges upstream with the time that water takes.
import type { StationState, UnitState } from "./contract";
import { span } from "./format";
import type { Point } from "./geo";
import { lang, say, t } from "./i18n";
import { Age } from "./pieces";
import { isStale, levelWords, Measured, measureName } from "./sensors";
import { Mark } from "./severity";
import { above, gaugesOf, reservoirs } from "./upstream";

const STORED = ["reservoir_storage", "reservoir_inflow", "reservoir_outflow"];

export function WaterAbove({ stations, units, unit, centre }: { stations: ReadonlyMap<string, StationState>; units: ReadonlyMap<string, UnitState>; unit: string; centre: Point | undefined }) {
  const here = gaugesOf(stations, units, unit, centre), list = above(stations, here), lakes = reservoirs(stations, here, centre), l = lang.value;
  if (!here.length && !lakes.length) return null;
  return (
    <section class="waterabove" aria-label={t("waterAbove")}>
      <h3>{t("waterAbove")}</h3>
      {lakes.map(([id, s]) => {
        const level = s.values.water_level, flow = (m: string) => (s.values[m] && !isStale(s.values[m]!) ? s.values[m]!.v : null);
        const into = flow("reservoir_inflow"), out = flow("reservoir_outflow");
        return (
          <article key={id} class="lake" data-station={id}>
            <p class="lead"><Mark severity={s.severity} silent={s.severity === "calm"} /><span>{say(s.name)} <em>{t("reservoir")}{s.river && `, ${s.river}`}</em></span>{level && <Measured metric="water_level" v={level} />}</p>
            <p class="flows">{STORED.flatMap((m) => { const v = s.values[m]; return v ? [<span key={m} class={`chip ${isStale(v) ? "stale" : ""}`}>{measureName(m)} <b><Measured metric={m} v={v} /></b></span>] : []; })}</p>
            <p class="sub"><span>{[level ? levelWords(level, s.levels?.water_level ?? []) : "", into !== null && out !== null && into !== out ? t(into > out ? "fills" : "empties") : ""].filter(Boolean).join(" · ")}</span>{level && <span>{isStale(level) ? t("stale") + " " : ""}<Age at={level.t} /></span>}</p>
          </article>
        );
      })}
      {list.length === 0 ? <p class="muted">{t("noUpstream")}</p> : (
        <ul class="above">
          {list.map(({ id, station: s, travel, to }) => {
            const v = s.values.water_level;
            return (
              <li key={id} data-station={id} class={!v || isStale(v) ? "stale" : ""}>
                <p class="lead"><Mark severity={s.severity} silent={s.severity === "calm"} /><span>{say(s.name)} <em>{s.river}{!units.has(s.unit) && `, ${t("upstream").toLowerCase()}`}</em></span>{v ? <Measured metric="water_level" v={v} /> : <span class="v">—</span>}</p>
                <p class="sub"><span>{[v ? levelWords(v, s.levels?.water_level ?? []) : t("silent"), travel !== null ? `${t(to.unit === unit ? "reachesIn" : "reachesThere")} ${span(travel, l)}${to.unit === unit ? "" : ` (${say(to.name)})`}` : ""].filter(Boolean).join(" · ")}</span>{v && <span>{isStale(v) ? t("stale") + " " : ""}<Age at={v.t} /></span>}</p>
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}
