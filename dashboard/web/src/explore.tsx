// The analyst's desk: a metric by station or unit over a range or by report periods,
// as known now or beside what was published; a chart whose gaps stay gaps, a table
// whose figures explain themselves, and a link that holds the question.
import { useEffect, useMemo, useState } from "preact/hooks";
import { api, list, whyNot } from "./api";
import type { History, KpiState, Text, UnitInfo } from "./contract";
import { Chart, type Goal, type Line } from "./explore-chart";
import { PublishDialog } from "./explore-publish";
import { Table, type Told } from "./explore-table";
import { WhyFigure } from "./explore-why";
import { DateField } from "./datefield";
import { cells } from "./figures";
import { clock, day, hourMinute, moment } from "./format";
import { lang, say, t, type Word } from "./i18n";
import { periodOf, STEP_MS, type PeriodKind } from "./periods";
import { Desk } from "./pieces";
import { go, query } from "./route";
import { SavedViews } from "./savedviews";
import { Why } from "./why";
import { measureName, MEASURE } from "./sensors";
import { me, now, skew, useFetched, useTopic } from "./store";
import { targetOf, type Target } from "./targets";
import "./explore.css";

interface MetricInfo { id: string; name?: Text; symbol?: string; unit?: string; decimals?: number; kind?: string; domain?: string; across?: string; numerator?: string; denominator?: string; targets?: Target[] }
interface StationInfo { id: string; name: Text; unit: string; values?: Record<string, unknown> }

/** An answer with what was asked for it. */
interface Answer { question: string; from: number; to: number; asks: { key: string; address: string }[]; told: Told[]; about?: History; problem?: unknown }

const MAX = 8, DAY = 24;
/** A range that ends now is asked for again so often, ms, while somebody may look. */
const RENEW_MS = 300_000;
/** The whole scope, among units. */
const TOTAL = "total";
const RANGES: Record<string, number> = { h6: 6, h24: DAY, d7: 7 * DAY, d30: 30 * DAY, d90: 90 * DAY, y1: 365 * DAY, y3: 3 * 365 * DAY };
const USUAL_STEP: Record<string, string> = { h6: "15m", h24: "15m", d7: "1h", d30: "1d", d90: "1d", y1: "period:month", y3: "period:quarter", custom: "1h" };
const STEPS: Record<string, Word> = { "15m": "s15m", "1h": "s1h", "1d": "s1d" };
/** What the figures are compared with: the API's word and ours. */
const COMPARE: Record<string, Word> = { "": "compareNone", previous: "comparePeriod", year: "compareYear", target: "compareTarget" };
const AGGS = ["avg", "sum", "min", "max", "last"] as const;

function ask(q: URLSearchParams, changes: Record<string, string | string[]>): void {
  const next = new URLSearchParams(q);
  for (const [key, v] of Object.entries(changes)) {
    next.delete(key);
    for (const one of Array.isArray(v) ? v : [v]) if (one) next.append(key, one);
  }
  go("/explore?" + next, true);
}

/** A range in which a few steps of the kind fit. */
function rangeFor(step: string, range: string): string {
  const kind = periodOf(step), hours = RANGES[range] ?? Infinity;
  if (/^(quarter|half|year)/.test(kind)) return hours < RANGES.y3! ? "y3" : range;
  if (/^month/.test(kind)) return hours < RANGES.y1! ? "y1" : range;
  return kind && hours < RANGES.d30! ? "d30" : range;
}

export default function Explore() {
  const q = query.value;
  const metrics = useFetched("metrics", () => list<MetricInfo>("metrics")) ?? [];
  const stations = useFetched("stations", () => list<StationInfo>("stations")) ?? [];
  const units = useFetched("units", () => list<UnitInfo>("units")) ?? [];
  const kinds = useFetched("periods", () => list<PeriodKind>("periods")) ?? [];
  const scope = me.value?.scope ?? "15";
  const kpis = useTopic<KpiState>("kpis/" + scope);
  const [filter, setFilter] = useState(""), [why, setWhy] = useState(false), [about, setAbout] = useState<{ key: string; at: number }>(), [publishing, setPublishing] = useState(false), [round, setRound] = useState(0);

  const metric = q.get("metric") ?? (metrics.some((m) => m.id === "rain") ? "rain" : (metrics[0]?.id ?? ""));
  const info = metrics.find((m) => m.id === metric);
  const withStations = stations.filter((s) => s.values && metric in s.values);
  const by = q.get("by") === "station" || (!q.get("by") && withStations.length) ? "station" : "unit";
  const published = by === "unit" ? (q.get("published") ?? "") : "";
  const known = (step: string) => !!STEP_MS[step] || kinds.some((k) => "period:" + k.name === step) || (kinds.length === 0 && step.startsWith("period:"));
  const range = q.get("range") ?? (published ? "y1" : "h24");
  const asked = q.get("step") ?? "", step = known(asked) && (!published || periodOf(asked)) ? asked : published ? "period:month" : USUAL_STEP[range] ?? "15m";
  const period = periodOf(step);
  // Unasked, readings add up as the metric's kind suggests; a ratio in one way only.
  const agg = info?.kind === "ratio" ? "" : (q.get("agg") ?? "");
  const adds = info?.kind === "ratio" || ["total", "event"].includes(info?.kind ?? "") ? agg !== "avg" && agg !== "last" : ["sum", "min", "max"].includes(agg);
  const cumulative = adds && kinds.some((k) => k.name === q.get("cumulative")) ? q.get("cumulative")! : "";
  const compare = COMPARE[q.get("compare") ?? ""] && !(cumulative && q.get("compare") === "previous") ? (q.get("compare") ?? "") : "";
  const asOf = by === "unit" && !published && /^\d{4}-\d\d-\d\d$/.test(q.get("as_of") ?? "") ? q.get("as_of")! : "";
  const root = units.find((u) => u.code === scope)?.code ?? units.find((u) => !u.parent && u.code.length === 2)?.code;
  const choices = by === "station" ? withStations.map((s) => ({ id: s.id, name: say(s.name) }))
    : [{ id: TOTAL, name: root ? say(units.find((u) => u.code === root)?.name) : t("wholeScope") }, ...units.filter((u) => u.code !== root).map((u) => ({ id: u.code, name: say(u.name) }))];
  const chosen = q.getAll(by).map((k) => (k === root ? TOTAL : k));
  const keys = (chosen.length ? chosen : choices.slice(0, 1).map((c) => c.id)).slice(0, MAX);

  const ends = range === "custom" ? (["from", "to"] as const).map((w) => Date.parse(q.get(w) + ":00+07:00") || 0) : [0, 0];
  const ready = metric && keys.length > 0;
  const question = ready ? [metric, by, keys, range, ends, step, agg, compare, cumulative, asOf, published].join("|") : "";
  // A range that ends now ends at one minute for all that belongs to an answer: what
  // was asked for, the files, the paper.
  const [from, to] = useMemo((): [number, number] => {
    const minute = (Math.floor(Date.now() / 60_000) + skew.value) * 60_000;
    return [ends[0]! || minute - (RANGES[range] ?? DAY) * 3_600_000, ends[1]! || minute];
  }, [question, round, skew.value]);
  useEffect(() => {
    if (ends[1]) return;
    const timer = setInterval(() => { if (!document.hidden) setRound((n) => n + 1); }, RENEW_MS);
    return () => clearInterval(timer);
  }, [question]);
  const address = (some: string[], path = "history") => path + "?" + new URLSearchParams([
    ["metric", metric], ["by", by === "unit" && some.length === 0 ? "total" : by], ...some.map((k) => [by, k]), ["from", new Date(from).toISOString()], ["to", new Date(to).toISOString()], ["step", step],
    ...Object.entries({ agg, compare, cumulative, as_of: asOf, published }).filter(([, v]) => v),
  ]);
  const parts = keys.filter((k) => k !== TOTAL), asks = [
    ...(keys.includes(TOTAL) ? [{ key: TOTAL, address: address([]) }] : []),
    ...(parts.length ? [{ key: "", address: address(parts) }] : []),
  ];

  const [answer, setAnswer] = useState<Answer>();
  useEffect(() => {
    if (!question) return;
    const stop = new AbortController();
    Promise.all(asks.map((a) => api<History>("GET", a.address, undefined, stop.signal))).then(
      (all) => setAnswer({ question, from, to, asks, about: all[0], told: all.flatMap((h, i) => (h.series ?? []).map((s) => ({
        key: asks[i]!.key || s.key, name: asks[i]!.key ? "" : (s.name ? say(s.name) : ""), cells: new Map(cells(h, s.points).map((c) => [c.at, c])),
      }))) }),
      // An answer that cannot be renewed stands, with its own range.
      (e) => { if (!stop.signal.aborted) setAnswer((was) => (was?.question === question && !was.problem ? was : { question, from, to, asks, told: [], problem: e })); },
    );
    return () => stop.abort();
  }, [question, from, to, round]);

  const settled = answer?.question === question ? answer : undefined, shown = settled ?? { from, to, asks };
  const nameOf = (key: string) => choices.find((c) => c.id === key)?.name ?? key;
  const told = useMemo(() => (settled?.told ?? []).map((s) => ({ ...s, name: s.name || nameOf(s.key) })), [settled, choices.length, lang.value]);
  const at = useMemo(() => {
    const all = [...new Set(told.flatMap((s) => [...s.cells.keys()]))].sort((a, b) => a - b), width = STEP_MS[step];
    // Periods from before there was anything say nothing.
    if (period) while (all.length > 2 && told.every((s) => { const c = s.cells.get(all[0]!); return !c || (c.v === null && !c.published && (c.base === null || compare === "target")); })) all.shift();
    // A step that nobody has a point for is a gap too, not a line across it.
    return width ? all.flatMap((ms, i) => (i > 0 && ms - all[i - 1]! > 1.5 * width ? [all[i - 1]! + width, ms] : [ms])) : all;
  }, [told, step, compare]);
  const lines = useMemo(() => told.flatMap((s, of): Line[] => [
    { name: s.name + (published ? ` (${t("knownNow").toLowerCase()})` : ""), of, kind: "own", values: at.map((ms) => s.cells.get(ms)?.v ?? null) },
    ...(published ? [{ name: `${s.name} (${t("published").toLowerCase()})`, of, kind: "published" as const, values: at.map((ms) => s.cells.get(ms)?.published?.v ?? null) }] : []),
    ...(compare && compare !== "target" ? [{ name: `${s.name} (${t(COMPARE[compare]!).toLowerCase()})`, of, kind: "base" as const, values: at.map((ms) => s.cells.get(ms)?.base ?? null) }] : []),
  ]), [told, at, published, compare, lang.value]);
  const decimals = info?.decimals ?? MEASURE[metric]?.decimals ?? 2, symbol = info?.symbol || MEASURE[metric]?.symbol || info?.unit || "";
  const kpi = kpis.get(metric);
  // Each series is held against what its own level is to reach in such a period.
  const kindOf = (code: string | undefined) => units.find((u) => u.code === code)?.kind;
  const level = (key: string) => (by === "station" ? kindOf(stations.find((s) => s.id === key)?.unit) : kindOf(key === TOTAL ? root : key)) ?? "province";
  const goalOf = (key: string) => targetOf(info?.targets, level(key), cumulative || period);
  const goals = useMemo(() => {
    const names = new Map<number, string[]>();
    for (const s of told) { const goal = goalOf(s.key); if (goal) names.set(goal.value, [...(names.get(goal.value) ?? []), s.name]); }
    return [...names].map(([value, of]): Goal => ({ value, name: t("target") + (names.size > 1 ? `: ${of.join(", ")}` : "") }));
  }, [told, info, units.length, stations.length, cumulative, period, lang.value]);
  const differing = published ? at.filter((ms) => told.some((s) => s.cells.get(ms)?.published?.differs)).length : 0;
  const some = published ? told.some((s) => [...s.cells.values()].some((c) => c.published)) : false;
  const present = Date.parse(kinds.find((k) => k.name === period)?.from ?? "");
  const title = info?.name ? say(info.name) : measureName(metric);

  const toggle = (id: string) => ask(q, { [by]: keys.includes(id) ? keys.filter((k) => k !== id) : [...keys, id].slice(-MAX) });
  const wanted = choices.filter((c) => !filter || (c.name + c.id).toLocaleLowerCase("vi").includes(filter.toLocaleLowerCase("vi")));
  const whyCell = about && told.find((s) => s.key === about.key)?.cells.get(about.at);

  return (
    <Desk title={t("explore")}>
      <div class="explore">
        <section class="panel ask" aria-label={t("choose")}>
          <label>{t("metric")}
            <select value={metric} onChange={(e) => ask(q, { metric: e.currentTarget.value, station: [], unit: [], by: "", agg: "", cumulative: "" })}>
              {metrics.map((m) => <option key={m.id} value={m.id}>{m.name ? say(m.name) : measureName(m.id)}</option>)}
            </select>
          </label>
          <fieldset><legend>{t("by")}</legend>
            {(["station", "unit"] as const).map((b) => <button key={b} type="button" aria-pressed={by === b} disabled={b === "station" && !withStations.length} onClick={() => ask(q, { by: b })}>{t(b === "station" ? "byStation" : "byUnit")}</button>)}
          </fieldset>
          <fieldset class="pair"><legend>{t("figuresShown")}</legend>
            <button type="button" aria-pressed={!published} onClick={() => ask(q, { published: "" })}>{t("knownNow")}</button>
            <button type="button" aria-pressed={!!published} onClick={() => ask(q, { published: "now", by: "unit", range: rangeFor(period ? step : "period:month", range), step: period ? step : "period:month" })}>{t("published")}</button>
          </fieldset>
          {published && <DateField label={t("publishedUntil")} value={published === "now" ? "" : published} onSet={(iso) => ask(q, { published: iso || "now" })} />}
          <div class="two">
            <label>{t("range")}
              <select value={range} onChange={(e) => ask(q, { range: e.currentTarget.value, step: published ? step : "" })}>
                {[...Object.keys(RANGES), "custom"].map((r) => <option key={r} value={r}>{t(r as Word)}</option>)}
              </select>
            </label>
            <label>{t("step")}
              <select value={step} onChange={(e) => ask(q, { step: e.currentTarget.value, range: rangeFor(e.currentTarget.value, range) })}>
                {!published && <optgroup label={t("steps15")}>{Object.entries(STEPS).map(([s, w]) => <option key={s} value={s}>{t(w)}</option>)}</optgroup>}
                <optgroup label={t("reportPeriods")}>{kinds.filter((k) => k.name !== "day" || published).map((k) => <option key={k.name} value={k.name === "day" ? "1d" : "period:" + k.name}>{say(k.label)}</option>)}</optgroup>
              </select>
            </label>
          </div>
          {range === "custom" && (["from", "to"] as const).map((w) => (
            <DateField key={w} label={t(w)} time value={q.get(w) ?? ""} onSet={(iso) => ask(q, { [w]: iso })} />
          ))}
          <div class="two">
            <label>{t("agg")}<select value={agg} disabled={info?.kind === "ratio"} onChange={(e) => ask(q, { agg: e.currentTarget.value })}><option value="">{t("usual")}</option>{AGGS.map((a) => <option key={a} value={a}>{t(a)}</option>)}</select></label>
            <label>{t("compare")}<select value={compare} onChange={(e) => ask(q, { compare: e.currentTarget.value })}>{Object.entries(COMPARE).map(([c, w]) => <option key={c} value={c} disabled={!!cumulative && c === "previous"}>{t(w)}</option>)}</select></label>
          </div>
          <div class="two">
            <label>{t("cumulative")}<select value={cumulative} disabled={!adds} onChange={(e) => ask(q, { cumulative: e.currentTarget.value })}><option value="">{t("compareNone")}</option>{kinds.filter((k) => /month|quarter|half|year/.test(k.name)).map((k) => <option key={k.name} value={k.name}>{t("sinceStart")} {say(k.label).toLocaleLowerCase("vi")}</option>)}</select></label>
            <DateField label={t("asOf")} value={asOf} disabled={by === "station" || !!published} title={published ? t("publishedUnits") : t("asOfToday")} onSet={(iso) => ask(q, { as_of: iso })} />
          </div>
          {published && q.get("as_of") && (
            <p class="hint" role="status">{t("publishedUnits")} <button type="button" class="quiet" onClick={() => ask(q, { published: "" })}>{t("knownNow")}</button></p>
          )}
          <label>{t("choose")}<input type="search" placeholder={t("filter")} value={filter} onInput={(e) => setFilter(e.currentTarget.value)} /></label>
          <ul class="choices" tabIndex={0} aria-label={t("choose")}>
            {wanted.map((c) => (
              <li key={c.id}><label><input type="checkbox" checked={keys.includes(c.id)} onChange={() => toggle(c.id)} /><span>{c.name}<small>{c.id === TOTAL ? t("wholeScope") : c.id}</small></span></label></li>
            ))}
          </ul>
          <SavedViews query={q.toString()} />
        </section>

        <section class="panel chartpanel" aria-label={t("chart")}>
          <header>
            <h2>{title}{symbol && ` (${symbol})`}</h2>
            {ready && <span class="muted upto">{t("evTo")} {moment(shown.to, now.value)}</span>}
            {published && settled && !settled.problem && <span class={`verdict ${differing ? "differs" : "muted"}`}>{!some ? t("notPublished") : differing ? <>≠ {differing} {t("differing")}</> : t("noneDiffer")}</span>}
            {kpi && <button type="button" onClick={() => setWhy(true)}>{t("why")}</button>}
            {period && by === "unit" && me.value?.may?.includes("publish") && <button type="button" onClick={() => setPublishing(true)}>{t("publish")}…</button>}
            <button type="button" onClick={() => print()}>{t("print")}</button>
          </header>
          <p class="printonly">{keys.map(nameOf).join(", ")} · {day(shown.from)} {hourMinute(shown.from)} – {day(shown.to)} {hourMinute(shown.to)} · {t("printedAt")} {clock(now.value)} {day(now.value)}{me.value && ` · ${me.value.name}`}</p>
          {!ready ? <p class="muted">{t("pick")}</p>
            : settled?.problem ? <p class="problem" role="alert">{whyNot(settled.problem)}</p>
            : settled && lines.every((line) => line.values.every((v) => v === null)) ? <p class="muted empty">{t("noPoints")}</p>
            : <Chart key={lang.value + lines.map((line) => line.name + line.kind).join()} at={at} lines={lines} step={step} decimals={decimals} goals={goals} symbol={symbol} />}
        </section>

        <section class="panel tablepanel" aria-label={t("table")}>
          <header>
            <h2>{t("table")}</h2>
            <span class="grow" />
            {ready && shown.asks.flatMap((a) => (["csv", "xlsx"] as const).map((f) => <a key={a.key + f} class="button" href={`/api/v1/${a.address}&format=${f}`} download={`${metric}${a.key && "-" + a.key}.${f}`}>{t(f === "csv" ? "exportCsv" : "exportXlsx")}{shown.asks.length > 1 && a.key && `: ${nameOf(a.key)}`}</a>))}
          </header>
          <Table at={at} told={told} step={step} decimals={decimals} symbol={symbol} compare={compare} published={!!published} present={present} onWhy={(key, ms) => setAbout({ key, at: ms })} />
        </section>
      </div>
      {why && kpi && <Why id={metric} scope={scope} kpi={kpi} onClose={() => setWhy(false)} />}
      {whyCell && settled?.about && <WhyFigure key={about.key + about.at} title={`${title}, ${nameOf(about.key)}`} step={step} at={about.at} cell={whyCell} answer={settled.about} info={info} goal={goalOf(about.key)} symbol={symbol} decimals={decimals} compare={compare}
        revisions={by === "unit" && period && !asOf ? address(about.key === TOTAL ? [] : [about.key], "publications") : ""} onClose={() => setAbout(undefined)} />}
      {publishing && <PublishDialog metric={metric} name={title} step={step} starts={at} units={parts} unitNames={parts.map(nameOf)} agg={agg} cumulative={cumulative} onDone={() => setRound((n) => n + 1)} onClose={() => setPublishing(false)} />}
    </Desk>
  );
}
