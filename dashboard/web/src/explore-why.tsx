// Why a figure of history is what it is: formula, what it was made from, what it is
// held against, and every time that it was published.
import { useEffect, useRef } from "preact/hooks";
import { api } from "./api";
import type { History, Text } from "./contract";
import type { Cell } from "./figures";
import { day, dayTime, num, share, short, signed } from "./format";
import { lang, t, type Word } from "./i18n";
import { stepName } from "./periods";
import { points } from "./explore-table";
import { useFetched, useKept } from "./store";
import type { Target } from "./targets";

interface Revision { key: string; start: number; revision: number; at: number; value: number | null; n: number; m: number; formula: string; by: string; reason?: string }
const HOW: Record<string, Word> = { avg: "avg", sum: "sum", min: "min", max: "max", last: "last" };

export function WhyFigure({ title, step, at, cell: c, answer, info, goal, symbol, decimals, compare, revisions, onClose }: {
  title: string; step: string; at: number; cell: Cell; answer: History; symbol: string; decimals: number; compare: string; revisions: string; onClose: () => void;
  info: { id: string; name?: Text; kind?: string; across?: string; numerator?: string; denominator?: string; domain?: string } | undefined;
  /** What the figure is held against. */
  goal: Target | undefined;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => { dialog.current?.showModal(); }, []);
  const l = lang.value, unit = symbol ? "\u00a0" + symbol : "";
  const list = useKept(useFetched(revisions || "none", async (s) => (revisions ? (await api<{ publications: Revision[] }>("GET", revisions, undefined, s)).publications : []))) ?? [];
  const mine = list.filter((r) => r.start === at);
  const value = (v: number | null) => (v === null ? t("insufficient") : num(v, decimals, l) + unit);
  return (
    <dialog ref={dialog} class="why" onClose={onClose} aria-label={t("whyTitle")}>
      <header><h2>{title}, {stepName(step, at, l)}: {value(c.v)}</h2><button type="button" onClick={() => dialog.current?.close()}>{t("close")}</button></header>
      <dl>
        <dt>{t("formula")}</dt><dd>{info?.kind === "ratio" ? t("howRatio") : <>{t("agg")}: {HOW[answer.agg ?? ""] ? t(HOW[answer.agg!]!) : answer.agg}; {t("acrossUnits").toLowerCase()}: {HOW[info?.across ?? ""] ? t(HOW[info!.across!]!).toLowerCase() : info?.across}</>}<br /><small><code>{answer.formula}</code> · {t("version")} <code>{answer.formula_version}</code></small></dd>
        <dt>{t("coverage")}</dt><dd>{c.of ? <>{share(c.stations ?? 0, c.of, l)} {t("reporting")}<br /></> : null}<small>{num(c.readings, 0, l)}{c.expected ? ` / ${num(c.expected, 0, l)}` : ""} {t("readingsOf")}</small></dd>
        {compare && c.base !== null && <><dt>{t(compare === "previous" ? "comparePeriod" : compare === "year" ? "compareYear" : "target")}</dt><dd>{value(c.base)}{c.change !== null && <>; {signed(c.change, decimals, l)}{points(symbol) || unit}{c.percent !== null && ` (${signed(c.percent, 1, l)}\u00a0%)`}</>}</dd></>}
        {goal && <><dt>{t("targetFrom")}</dt><dd>{short(goal.value, decimals, l)}{unit}<br /><small>{goal.source || "—"}</small></dd></>}
        {revisions && <><dt>{t("published")}</dt><dd>{mine.length === 0 ? t("notPublished") : <ol class="revisions">{mine.map((r) => (
          <li key={r.revision}><b>{value(r.value)}</b> <small>{share(r.n, r.m, l)} · {t("revision")} {r.revision} · {day(r.at)} {dayTime(r.at).slice(6)} · {r.by || t("byCatalogue")}{r.reason && <> · {t("reason")}: {r.reason}</>}{r.formula !== answer.formula_version && <> · <b>{t("otherFormula")}</b> <code>{r.formula}</code></>}</small></li>
        ))}</ol>}</dd></>}
        <dt>{t("source")}</dt><dd><code>{info?.id}</code>{info?.numerator && <> = <code>{info.numerator}</code> ÷ <code>{info.denominator}</code></>} · {info?.domain}</dd>
      </dl>
    </dialog>
  );
}
