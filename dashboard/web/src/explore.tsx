// The analyst's desk: a metric by station or unit over a range, as a chart whose
// gaps stay gaps, a table, and a link that holds the question.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { api, list } from "./api";
import type { History, KpiState, Text, UnitInfo } from "./contract";
import { dayTime, num, share } from "./format";
import { lang, say, t, type Word } from "./i18n";
import { Desk } from "./pieces";
import { go, query } from "./route";
import { SavedViews } from "./savedviews";
import { Why } from "./why";
import { measureName, MEASURE } from "./sensors";
import { me, useFetched, useTopic } from "./store";
import "./explore.css";

interface MetricInfo { id: string; name?: Text; symbol?: string; unit?: string; decimals?: number; kind?: string; domain?: string; across?: string; targets?: { value: number; level?: string }[] }
interface StationInfo { id: string; name: Text; unit: string; values?: Record<string, unknown> }

const MAX = 8, ROWS = 500;
const RANGES: Record<string, number> = { h6: 6, h24: 24, d7: 168, d30: 720 };
const STEP_MS: Record<string, number> = { "15m": 900_000, "1h": 3_600_000, "1d": 86_400_000 };
const STEPS: Record<string, Word> = { "15m": "s15m", "1h": "s1h", "1d": "s1d" };
/** What the figures are compared with: the API's word and ours. */
const COMPARE: Record<string, Word> = { "": "compareNone", previous: "comparePeriod", year: "compareYear" };
const AGGS = ["avg", "sum", "min", "max", "last"] as const;
/** Told apart by tone and dash as well: the first ones are what print and colour-blind eyes see. */
const LINES: { stroke: string; dash?: number[] }[] = [
  { stroke: "#e8ecef" }, { stroke: "#56b4e9" }, { stroke: "#cc79a7" }, { stroke: "#009e73", dash: [8, 4] },
  { stroke: "#0072b2", dash: [8, 4] }, { stroke: "#f0e442", dash: [3, 3] }, { stroke: "#aab4bd", dash: [3, 3] }, { stroke: "#e69f00", dash: [10, 4, 2, 4] },
];

function ask(q: URLSearchParams, changes: Record<string, string | string[]>): void {
  const next = new URLSearchParams(q);
  for (const [key, v] of Object.entries(changes)) {
    next.delete(key);
    for (const one of Array.isArray(v) ? v : [v]) if (one) next.append(key, one);
  }
  go("/explore?" + next, true);
}

export default function Explore() {
  const q = query.value, l = lang.value;
  const metrics = useFetched("metrics", () => list<MetricInfo>("metrics")) ?? [];
  const stations = useFetched("stations", () => list<StationInfo>("stations")) ?? [];
  const units = useFetched("units", () => list<UnitInfo>("units")) ?? [];
  const kpis = useTopic<KpiState>("kpis/" + (me.value?.scope ?? "15"));

  const metric = q.get("metric") ?? (metrics.some((m) => m.id === "rain") ? "rain" : (metrics[0]?.id ?? ""));
  const info = metrics.find((m) => m.id === metric);
  const withStations = stations.filter((s) => s.values && metric in s.values);
  const by = q.get("by") ?? (withStations.length ? "station" : "unit");
  const range = q.get("range") ?? "h24", step = STEP_MS[q.get("step") ?? ""] ? q.get("step")! : (range === "d30" ? "1d" : range === "d7" ? "1h" : "15m");
  // Unasked, readings add up as the metric's kind suggests; a ratio in one way only.
  const agg = info?.kind === "ratio" ? "" : (q.get("agg") ?? "");
  const choices = by === "station" ? withStations.map((s) => ({ id: s.id, name: say(s.name) })) : units.map((u) => ({ id: u.code, name: say(u.name) }));
  const asked = q.getAll(by);
  const keys = (asked.length ? asked : choices.slice(0, 1).map((c) => c.id)).slice(0, MAX);
  const [filter, setFilter] = useState(""), [why, setWhy] = useState(false);
  const compare = COMPARE[q.get("compare") ?? ""] ? (q.get("compare") ?? "") : "";

  // Rounded, so that the same question is the same address for a minute.
  const minute = Math.floor(Date.now() / 60_000) * 60_000;
  const [from, to] = range === "custom"
    ? [Date.parse(q.get("from") + ":00+07:00") || minute - 864e5, Date.parse(q.get("to") + ":00+07:00") || minute]
    : [minute - (RANGES[range] ?? 24) * 3_600_000, minute];
  const address = (some: string[], how: string) => "history?" + new URLSearchParams([["metric", metric], ["by", how], ...some.map((k) => [by, k]), ["from", new Date(from).toISOString()], ["to", new Date(to).toISOString()], ["step", step], ...(agg ? [["agg", agg]] : []), ...(compare ? [["compare", compare]] : [])]);
  // The province by unit would be each of its communes: it is asked for as a total.
  const root = by === "unit" ? units.find((u) => u.code.length === 2)?.code : undefined;
  const parts = keys.filter((k) => k !== root), asks = [
    ...(root && keys.includes(root) ? [{ key: root, address: address([root], "total") }] : []),
    ...(parts.length ? [{ key: "", address: address(parts, by) }] : []),
  ];

  const ready = metric && keys.length > 0;
  const question = ready ? [metric, by, keys, q.get("range") === "custom" ? [from, to] : range, step, agg, root, compare].join("|") : "";
  const [answer, setAnswer] = useState<{ question: string; series: History["series"]; problem?: string }>();
  useEffect(() => {
    if (!question) return;
    const stop = new AbortController();
    Promise.all(asks.map((a) => api<History>("GET", a.address, undefined, stop.signal))).then(
      (all) => setAnswer({ question, series: all.flatMap((h, i) => (h.series ?? []).map((s) => (asks[i]!.key ? { key: asks[i]!.key, points: s.points } : s))) }),
      (e) => { if (!stop.signal.aborted) setAnswer({ question, series: [], problem: e.message === "unreachable" ? t("unreachable") : e.message }); },
    );
    return () => stop.abort();
  }, [question]);

  const nameOf = (key: string, name?: Text) => (name && say(name)) || choices.find((c) => c.id === key)?.name || key;
  // What is compared becomes a line of its own, dashed, beside the one it belongs to.
  const series = useMemo(() => {
    const own = answer?.question === question ? answer.series : [];
    if (!compare) return own.map((s) => ({ ...s, base: false }));
    return own.flatMap((s) => [
      { ...s, base: false },
      { ...s, key: s.key + "\u0000", base: true, points: s.points.map((p) => [p[0], (p[4] as number | null | undefined) ?? null, undefined] as [number, number | null, undefined]) },
    ]);
  }, [answer, question, compare]);
  const titleOf = (s: { key: string; name?: Text; base: boolean }) => nameOf(s.key.replace("\u0000", ""), s.name) + (s.base ? ` (${t(COMPARE[compare]!).toLowerCase()})` : "");
  const decimals = info?.decimals ?? MEASURE[metric]?.decimals ?? 2, symbol = info?.symbol || MEASURE[metric]?.symbol || info?.unit || "";
  const kpi = kpis.get(metric);
  const target = kpis.get(metric)?.target ?? info?.targets?.find((x) => !x.level || x.level === "province")?.value ?? null;
  const rows = useMemo(() => {
    const at = new Map<number, (null | [number | null, number | undefined])[]>();
    series.forEach((s, i) => s.points.forEach(([ms, v, n]) => {
      if (!at.has(ms)) at.set(ms, series.map(() => null));
      at.get(ms)![i] = [v, n];
    }));
    // A step that nobody has a point for is a gap too, not a line across it.
    const whole: Row[] = [];
    for (const row of [...at].sort((a, b) => a[0] - b[0])) {
      const before = whole[whole.length - 1];
      if (before && row[0] - before[0] > 1.5 * STEP_MS[step]!) whole.push([before[0] + STEP_MS[step]!, series.map(() => null)]);
      whole.push(row);
    }
    return whole;
  }, [series, step]);

  const toggle = (id: string) => ask(q, { [by]: keys.includes(id) ? keys.filter((k) => k !== id) : [...keys, id].slice(-MAX) });
  const wanted = choices.filter((c) => !filter || (c.name + c.id).toLocaleLowerCase("vi").includes(filter.toLocaleLowerCase("vi")));

  return (
    <Desk title={t("explore")}>
      <div class="explore">
        <section class="panel ask" aria-label={t("choose")}>
          <label>{t("metric")}
            <select value={metric} onChange={(e) => ask(q, { metric: e.currentTarget.value, station: [], unit: [], by: "", agg: "" })}>
              {metrics.map((m) => <option key={m.id} value={m.id}>{m.name ? say(m.name) : measureName(m.id)}</option>)}
            </select>
          </label>
          <fieldset><legend>{t("by")}</legend>
            {(["station", "unit"] as const).map((b) => <button key={b} type="button" aria-pressed={by === b} disabled={b === "station" && !withStations.length} onClick={() => ask(q, { by: b })}>{t(b === "station" ? "byStation" : "byUnit")}</button>)}
          </fieldset>
          <label>{t("range")}
            <select value={range} onChange={(e) => ask(q, { range: e.currentTarget.value, step: "" })}>
              {[...Object.keys(RANGES), "custom"].map((r) => <option key={r} value={r}>{t(r as Word)}</option>)}
            </select>
          </label>
          {range === "custom" && (["from", "to"] as const).map((w) => (
            <label key={w}>{t(w)}<input type="datetime-local" value={q.get(w) ?? ""} onChange={(e) => ask(q, { [w]: e.currentTarget.value })} /></label>
          ))}
          <label>{t("step")}<select value={step} onChange={(e) => ask(q, { step: e.currentTarget.value })}>{Object.entries(STEPS).map(([s, w]) => <option key={s} value={s}>{t(w)}</option>)}</select></label>
          <label>{t("agg")}<select value={agg} disabled={info?.kind === "ratio"} onChange={(e) => ask(q, { agg: e.currentTarget.value })}><option value="">{t("usual")}</option>{AGGS.map((a) => <option key={a} value={a}>{t(a)}</option>)}</select></label>
          <label>{t("compare")}<select value={compare} onChange={(e) => ask(q, { compare: e.currentTarget.value })}>{Object.entries(COMPARE).map(([c, w]) => <option key={c} value={c}>{t(w)}</option>)}</select></label>
          <label>{t("choose")}<input type="search" placeholder={t("filter")} value={filter} onInput={(e) => setFilter(e.currentTarget.value)} /></label>
          <ul class="choices" tabIndex={0} aria-label={t("choose")}>
            {wanted.map((c) => (
              <li key={c.id}><label><input type="checkbox" checked={keys.includes(c.id)} onChange={() => toggle(c.id)} /><span>{c.name}<small>{c.id}</small></span></label></li>
            ))}
          </ul>
          <SavedViews query={q.toString()} />
        </section>

        <section class="panel chartpanel" aria-label={t("chart")}>
          <header><h2>{info?.name ? say(info.name) : measureName(metric)}{symbol && ` (${symbol})`}</h2>{kpi && <button type="button" onClick={() => setWhy(true)}>{t("why")}</button>}<button type="button" onClick={() => print()}>{t("print")}</button></header>
          {!ready ? <p class="muted">{t("pick")}</p>
            : answer?.question === question && answer.problem ? <p class="problem" role="alert">{answer.problem}</p>
            : answer?.question === question && rows.every((r) => r[1].every((c) => !c || c[0] === null)) ? <p class="muted empty">{t("noPoints")}</p>
            : <Chart key={lang.value + series.map((s) => s.key).join()} rows={rows} names={series.map(titleOf)} dashed={series.map((s) => s.base)} decimals={decimals} target={target} symbol={symbol} />}
        </section>

        <section class="panel tablepanel" aria-label={t("table")}>
          <header>
            <h2>{t("table")}</h2>
            <span class="grow" />
            {ready && asks.flatMap((a) => (["csv", "xlsx"] as const).map((f) => <a key={a.key + f} class="button" href={`/api/v1/${a.address}&format=${f}`} download={`${metric}${a.key && "-" + a.key}.${f}`}>{t(f === "csv" ? "exportCsv" : "exportXlsx")}{asks.length > 1 && a.key && `: ${nameOf(a.key)}`}</a>))}
          </header>
          <div class="scroll" tabIndex={0} aria-label={t("table")}>
            <table>
              <thead><tr><th>{t("time")}</th>{series.map((s) => <th class="n" key={s.key}>{titleOf(s)}</th>)}<th class="n">{t("readings")}</th></tr></thead>
              <tbody>
                {rows.slice(-ROWS).reverse().map(([ms, cells]) => (
                  <tr key={ms}>
                    <td>{dayTime(ms)}</td>
                    {cells.map((c, i) => <td class="n" key={i}>{c && c[0] !== null ? num(c[0], decimals, l) : "—"}</td>)}
                    <td class="n muted">{share(cells.reduce((n, c) => n + (c?.[1] ?? 0), 0), cells.length, l).split("/")[0]}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {rows.length > ROWS && <p class="muted">{t("truncated")}</p>}
        </section>
      </div>
      {why && kpi && <Why id={metric} scope={me.value?.scope ?? "15"} kpi={kpi} onClose={() => setWhy(false)} />}
    </Desk>
  );
}

type Row = [number, (null | [number | null, number | undefined])[]];

function Chart({ rows, names, dashed, decimals, target, symbol }: { rows: Row[]; names: string[]; dashed: boolean[]; decimals: number; target: number | null; symbol: string }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const el = box.current!;
    const label = (v: number | null | undefined) => (v === null || v === undefined ? "—" : num(v, decimals, lang.peek()));
    const axis = { stroke: "#aab4bd", font: "13px Inter", grid: { stroke: "#252d34", width: 1 }, ticks: { show: false } };
    const series: uPlot.Series[] = [
      { label: t("time"), value: (_u, s) => (s ? dayTime(s * 1000) : "—") },
      ...names.map((name, i): uPlot.Series => ({ label: name, ...(dashed.some(Boolean) ? { ...LINES[(i >> 1) % LINES.length]!, ...(dashed[i] ? { dash: [2, 5] } : {}) } : LINES[i % LINES.length]!), width: 2, spanGaps: false, value: (_u, v) => label(v), points: { show: rows.length < 60 && !dashed[i], size: 5 } })),
    ];
    const data: (number | null)[][] = [rows.map((r) => r[0] / 1000), ...names.map((_, i) => rows.map((r) => r[1][i]?.[0] ?? null))];
    if (target !== null) {
      series.push({ label: t("target"), stroke: "#8a949e", dash: [6, 6], width: 1.5, points: { show: false }, value: (_u, v) => label(v) });
      data.push(rows.map(() => target));
    }
    const plot = new uPlot({
      width: el.clientWidth, height: Math.max(260, Math.min(520, innerHeight * 0.46)),
      tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "Asia/Ho_Chi_Minh"),
      series, cursor: { drag: { x: true, y: false } }, legend: { live: true },
      axes: [
        { ...axis, values: (_u, at) => at.map((s, i) => (i === 0 || dayTime(s * 1000).slice(0, 5) !== dayTime(at[i - 1]! * 1000).slice(0, 5) ? dayTime(s * 1000).replace(" ", "\n") : dayTime(s * 1000).slice(6))), size: 48 },
        { ...axis, size: 70, values: (_u, at) => at.map((v) => num(v, Math.min(decimals, at.length > 1 && Math.abs(at[1]! - at[0]!) >= 1 ? 0 : 2), lang.peek())) },
      ],
    }, data as uPlot.AlignedData, el);
    const watch = new ResizeObserver(() => plot.setSize({ width: el.clientWidth, height: plot.height }));
    watch.observe(el);
    return () => { watch.disconnect(); plot.destroy(); };
  }, [rows, target]);
  return <div class="chart" ref={box} role="img" aria-label={`${t("chart")}: ${names.join(", ")}${symbol ? `, ${symbol}` : ""}`} />;
}
