// One indicator: value, target, trend, the line of the last values, coverage, age.
import type { KpiState } from "./contract";
import { num, share, short, signed } from "./format";
import { lang, say, t } from "./i18n";
import { Age, Arrow, Spark } from "./pieces";
import { kpiSeverity } from "./judge";
import { Mark } from "./severity";
import { now } from "./store";

/** Past until by this much the value is stale even if the server has not said so, ms. */
const GRACE_MS = 10_000;

export function KpiTile({ id, kpi, compare, onWhy }: { id: string; kpi: KpiState; compare?: boolean; onWhy?: (id: string) => void }) {
  const l = lang.value;
  const severity = kpiSeverity(kpi);
  const stale = kpi.stale || kpi.until + GRACE_MS < now.value;
  const unit = kpi.symbol;
  return (
    <article class={`kpi ${stale ? "stale" : ""} ${severity}`} data-kpi={id}>
      <h3 class={say(kpi.name).length > 22 ? "long" : ""}>{say(kpi.name)}{onWhy && <button type="button" class="quiet whybutton" aria-label={`${t("why")}: ${say(kpi.name)}`} onClick={() => onWhy(id)}>{t("why")}</button>}</h3>
      <div class="figure">
        {kpi.v === null
          ? <span class="insufficient">{t("insufficient")}</span>
          : <span class="v">{num(kpi.v, kpi.decimals, l)}{unit && <small class={unit.length > 2 ? "word" : ""}>{"\u00a0" + unit}</small>}</span>}
        {severity !== "calm" && !stale && <Mark severity={severity} />}
        <Spark points={kpi.spark} />
      </div>
      <p class="under">
        {kpi.target !== null && kpi.target !== undefined && <span class="target" title={kpi.target_source}><b>/</b>{short(kpi.target, kpi.decimals, l)}</span>}
        {!stale && kpi.delta !== null && kpi.delta !== undefined && kpi.v !== null && <span class="delta" title={t("vsYesterday")}><Arrow delta={kpi.delta} />{signed(kpi.delta, kpi.decimals, l)}</span>}
        {!stale && <span class="cover-n" title={t("coverage")}>{share(kpi.n, kpi.m, l)}</span>}
        {stale ? <span class="old">{t("stale")} <Age at={kpi.t} /></span> : <Age at={kpi.t} />}
      </p>
      {compare && (kpi.rank || kpi.province) && (
        <p class="compare">
          {kpi.rank && <span>{t("rank")} <b>{share(kpi.rank.place, kpi.rank.of, l)}</b>{!!kpi.rank.before && kpi.rank.before !== kpi.rank.place && <i class="moved" title={t("vsYesterday")}><Arrow delta={kpi.rank.before - kpi.rank.place} />{Math.abs(kpi.rank.before - kpi.rank.place)}</i>}</span>}
          {kpi.province && <span>{t(unit === "%" ? "provinceFigure" : "provinceTotal")} <b>{kpi.province.v === null ? "—" : num(kpi.province.v, kpi.decimals, l)}</b></span>}
        </p>
      )}
    </article>
  );
}
