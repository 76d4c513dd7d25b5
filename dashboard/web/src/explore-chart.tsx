// The analyst's chart: gaps stay gaps, what a line is held against is dashed beside
// it, and a published figure that is another one now has a mark of its own.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { dayTime, num, placesOf } from "./format";
import { lang, t } from "./i18n";
import { stepName, STEP_MS } from "./periods";

/** A value that is to be reached, the same at each step. */
export interface Goal { name: string; value: number }
export interface Line { name: string; values: (number | null)[]; kind: "own" | "base" | "published"; of: number }

/** Told apart by tone and dash as well: the first ones are what print and colour-blind eyes see. */
const LINES: { stroke: string; dash?: number[] }[] = [
  { stroke: "#e8ecef" }, { stroke: "#56b4e9" }, { stroke: "#cc79a7" }, { stroke: "#009e73", dash: [8, 4] },
  { stroke: "#0072b2", dash: [8, 4] }, { stroke: "#f0e442", dash: [3, 3] }, { stroke: "#aab4bd", dash: [3, 3] }, { stroke: "#e69f00", dash: [10, 4, 2, 4] },
];

export function Chart({ at, lines, step, decimals, goals, symbol }: { at: number[]; lines: Line[]; step: string; decimals: number; goals: Goal[]; symbol: string }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const el = box.current!, plain = lines.every((line) => line.kind === "own");
    const label = (v: number | null | undefined) => (v === null || v === undefined ? "—" : num(v, decimals, lang.peek()));
    const axis = { stroke: "#aab4bd", font: "13px Inter", grid: { stroke: "#252d34", width: 1 }, ticks: { show: false } };
    const looks = { own: {}, base: { dash: [2, 5] }, published: { dash: [7, 4] } };
    const series: uPlot.Series[] = [
      { label: t("time"), value: (_u, s) => (s ? stepName(step, s * 1000, lang.peek()) : "—") },
      ...lines.map((line): uPlot.Series => ({
        label: line.name, ...LINES[line.of % LINES.length]!, ...(plain ? {} : { dash: [], ...looks[line.kind] }), width: line.kind === "published" ? 1.5 : 2, spanGaps: false,
        value: (_u, v) => label(v), points: { show: at.length < 60 && line.kind !== "base", size: line.kind === "published" ? 8 : 5, ...(line.kind === "published" ? { fill: "#12171b" } : {}) },
      })),
    ];
    const data: (number | null)[][] = [at.map((ms) => ms / 1000), ...lines.map((line) => line.values)];
    for (const goal of goals) {
      series.push({ label: goal.name, stroke: "#8a949e", dash: [6, 6], width: 1.5, points: { show: false }, value: (_u, v) => label(v) });
      data.push(at.map(() => goal.value));
    }
    const fixed = STEP_MS[step] !== undefined && step !== "1d";
    const plot = new uPlot({
      width: el.clientWidth, height: Math.max(260, Math.min(520, innerHeight * 0.46)),
      tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "Asia/Ho_Chi_Minh"),
      padding: [null, fixed ? null : 62, null, null], // the last period's name is wider than what it stands under
      series, cursor: { drag: { x: true, y: false } }, legend: { live: true },
      axes: [
        fixed
          ? { ...axis, values: (_u, all) => all.map((s, i) => (i === 0 || dayTime(s * 1000).slice(0, 5) !== dayTime(all[i - 1]! * 1000).slice(0, 5) ? dayTime(s * 1000).replace(" ", "\n") : dayTime(s * 1000).slice(6))), size: 48 }
          // Periods have no even width: their own starts are the marks, as many as there is room for.
          : { ...axis, splits: () => { const each = Math.ceil(at.length / Math.max(2, Math.floor(el.clientWidth / 130))); return at.filter((_, i) => i % each === 0).map((ms) => ms / 1000); }, values: (_u, all) => all.map((s) => stepName(step, s * 1000, lang.peek())), size: 36 },
        { ...axis, size: 70, values: (_u, all) => { const places = all.length > 1 ? placesOf(all[1]! - all[0]!) : decimals; return all.map((v) => num(v, places, lang.peek())); } },
      ],
    }, data as uPlot.AlignedData, el);
    const watch = new ResizeObserver(() => plot.setSize({ width: el.clientWidth, height: plot.height }));
    watch.observe(el);
    return () => { watch.disconnect(); plot.destroy(); };
  }, [at, lines, goals]);
  return <div class="chart" ref={box} role="img" aria-label={`${t("chart")}: ${lines.map((line) => line.name).join(", ")}${symbol ? `, ${symbol}` : ""}`} />;
}
