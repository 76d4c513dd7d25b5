// The analyst's table. Each figure is a button that explains itself.
import type { Cell } from "./figures";
import { day, num, share, signed } from "./format";
import { lang, t } from "./i18n";
import { stepName } from "./periods";

export interface Told { key: string; name: string; cells: Map<number, Cell> }
const ROWS = 500;

/** A change in a metric in percent is in percentage points. */
export const points = (symbol: string): string => (symbol === "%" ? "\u00a0" + t("pctPoints") : "");

export function Table({ at, told, step, decimals, symbol, compare, published, present, onWhy }: {
  at: number[]; told: Told[]; step: string; decimals: number; symbol: string; compare: string; published: boolean; present: number; onWhy: (key: string, at: number) => void;
}) {
  const l = lang.value;
  const value = (v: number | null) => (v === null ? "—" : num(v, decimals, l));
  // A change too small for the figure's decimals is shown with more: 0,0 would say that there is none.
  const fine = (v: number) => (v !== 0 && Math.abs(v) < 0.5 * 10 ** -decimals ? Math.min(6, Math.ceil(-Math.log10(Math.abs(v))) ) : decimals);
  const change = (v: number | null, pct: number | null) => (v === null ? "—" : <>{signed(v, fine(v), l)}{points(symbol)}{pct !== null && symbol !== "%" && <small> {signed(pct, 1, l)}&nbsp;%</small>}</>);
  return (
    <>
      <div class="scroll" tabIndex={0} aria-label={t("table")}>
        <table>
          <thead>
            <tr><th rowSpan={2}>{t("time")}</th>{told.map((s) => <th class="n" key={s.key} colSpan={2 + (compare ? 2 : 0) + (published ? 2 : 0)}>{s.name}</th>)}</tr>
            <tr class="under">{told.map((s) => [
              published && <th class="n" key={s.key + "p"}>{t("published")}</th>,
              <th class="n" key={s.key + "v"}>{published ? t("knownNow") : t("value")}</th>,
              published && <th class="n" key={s.key + "d"}>{t("difference")}</th>,
              compare && [<th class="n" key={s.key + "b"}>{t(compare === "previous" ? "comparePeriod" : compare === "year" ? "compareYear" : "target")}</th>, <th class="n" key={s.key + "c"}>{t("change")}</th>],
              <th class="n" key={s.key + "n"}>{published ? t("coverage") : t("readings")}</th>,
            ])}</tr>
          </thead>
          <tbody>
            {at.slice(-ROWS).reverse().map((ms) => (
              <tr key={ms}>
                <td class="step">{stepName(step, ms, l)}{ms === present && <small> {t("soFar")}</small>}</td>
                {told.map((s) => {
                  const c = s.cells.get(ms), p = c?.published;
                  return [
                    published && <td class="n first" key={s.key + "p"}>{p ? <><span class={p.differs ? "was" : ""}>{p.v === null ? t("insufficient") : value(p.v)}</span><small> {day(p.at).slice(0, 5)}{p.revision > 1 && ` · ${t("revision")} ${p.revision}`}</small></> : <span class="muted" title={t("notPublished")}>—</span>}</td>,
                    <td class={published ? "n" : "n first"} key={s.key + "v"}>{c && c.v !== null ? <button type="button" class="fig" title={t("why")} onClick={() => onWhy(s.key, ms)}>{value(c.v)}</button> : published && c && c.stations ? <button type="button" class="fig few" onClick={() => onWhy(s.key, ms)}>{t("insufficient")}</button> : "—"}</td>,
                    published && <td class={`n ${p?.differs ? "differs" : "muted"}`} key={s.key + "d"}>{p?.differs ? <><span aria-hidden="true">≠ </span>{change(p.difference, p.percent)}</> : p ? "=" : ""}</td>,
                    compare && [<td class="n" key={s.key + "b"}>{value(c?.base ?? null)}</td>, <td class="n" key={s.key + "c"}>{change(c?.change ?? null, c?.percent ?? null)}</td>],
                    <td class="n muted" key={s.key + "n"}>{!c ? "" : published ? (c.of ? share(c.stations ?? 0, c.of, l) + (p && (p.n !== c.stations || p.m !== c.of) ? ` (${share(p.n, p.m, l)})` : "") : "") : c.expected ? share(c.readings, c.expected, l) : num(c.readings, 0, l)}</td>,
                  ];
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {at.length > ROWS && <p class="muted">{t("truncated")}</p>}
    </>
  );
}
