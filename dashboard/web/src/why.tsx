// Why a number is what it is: its formula, what it was made from, how much of it
// there is, how old it is, and where its target comes from.
import { useEffect, useRef } from "preact/hooks";
import { api, list } from "./api";
import type { KpiState, Text, UnitInfo } from "./contract";
import { dayTime, num, share, short } from "./format";
import { lang, say, t, type Word } from "./i18n";
import { useFetched, useTopic } from "./store";

interface MetricInfo { id: string; name?: Text; symbol?: string; kind?: string; across?: string; numerator?: string; denominator?: string; decimals?: number }

const HOW: Record<string, Word> = { avg: "howAvg", sum: "howSum", max: "howMax", min: "howMin" };

export function Why({ id, scope, kpi: k, onClose }: { id: string; scope: string; kpi: KpiState; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => { dialog.current?.showModal(); }, []);
  const metrics = useFetched("metrics", () => list<MetricInfo>("metrics")) ?? [];
  const units = useFetched("units", (s) => api<{ units: UnitInfo[] }>("GET", "units", undefined, s))?.units ?? [];
  const all = useTopic<KpiState>("kpis/" + scope);
  const m = metrics.find((x) => x.id === id), l = lang.value;
  const nameOf = (mid: string) => say(metrics.find((x) => x.id === mid)?.name) || mid;
  const value = (x: KpiState | undefined) => (x && x.v !== null ? num(x.v, x.decimals, l) : "—");
  const without = Object.entries(k.units ?? {}).filter(([, v]) => v === null).map(([code]) => say(units.find((u) => u.code === code)?.name) || code);
  const inputs = [m?.numerator, m?.denominator].filter((x): x is string => !!x);
  const symbol = k.symbol ? "\u00a0" + k.symbol : "";
  return (
    <dialog ref={dialog} class="why" onClose={onClose} aria-label={t("whyTitle")}>
      <header><h2>{say(k.name)}: {k.v === null ? t("insufficient") : num(k.v, k.decimals, l) + symbol}</h2><button type="button" onClick={() => dialog.current?.close()}>{t("close")}</button></header>
      <dl>
        <dt>{t("formula")}</dt><dd>{inputs.length === 2 ? <>{nameOf(inputs[0]!)} ÷ {nameOf(inputs[1]!)} × 100<br /><small>{t("howRatio")}</small></> : t(HOW[m?.across ?? ""] ?? "howAvg")}</dd>
        {inputs.length > 0 && <><dt>{t("inputs")}</dt><dd>{inputs.map((i) => <span key={i} class="chip">{nameOf(i)} <b>{value(all.get(i))}</b> {all.get(i)?.symbol}</span>)}</dd></>}
        <dt>{t("coverage")}</dt><dd>{share(k.n, k.m, l)}{without.length > 0 ? <><br /><small>{t("missing")}: {without.slice(0, 30).join(", ")}{without.length > 30 && ` +${without.length - 30}`}</small></> : <><br /><small>{t("noneMissing")}</small></>}</dd>
        <dt>{t("lastUpdate")}</dt><dd>{k.t ? dayTime(k.t) : "—"}{k.stale && <b> · {t("stale")}</b>}<br /><small>{t("validUntil")} {k.until ? dayTime(k.until) : "—"}</small></dd>
        <dt>{t("target")}</dt><dd>{k.target === null ? t("noTarget") : <>{short(k.target, k.decimals, l)}{symbol}<br /><small>{t("targetFrom")}: {k.target_source || "—"}</small></>}</dd>
        {k.better && <><dt>{t("better")}</dt><dd>{t(k.better === "higher" ? "higherBetter" : "lowerBetter")}</dd></>}
        <dt>{t("source")}</dt><dd><code>{id}</code> · {k.domain}</dd>
      </dl>
      <p><a class="button" href={`/explore?metric=${encodeURIComponent(id)}&by=unit`}>{t("history")}</a></p>
    </dialog>
  );
}
