// The scenes of a wall besides the overview. Each fills the place it is given; all
// sizes are in units, so that a place twice as large has words twice as large.
import { useEffect, useState } from "preact/hooks";
import type { CameraHealth, CameraState, KpiState, Ranked, RankingAnswer, Scene, StationState, UnitState } from "./contract";
import { CameraTile } from "./camera";
import { num, share, short } from "./format";
import { lang, say, t, type Word } from "./i18n";
import { cameraSeverity, chooseCameras, chooseKpis, kpiSeverity, ORDER } from "./judge";
import { KpiTile } from "./kpi";
import { ProvinceMap } from "./map";
import { Age, Arrow } from "./pieces";
import { Measured, notable, NotableRow } from "./sensors";
import { Mark } from "./severity";
import { replaying, useTopic } from "./store";
import { heldUnits, ofUnit, unitTargets } from "./targets";

/** What every scene is drawn from. */
export interface Shown {
  scope: string;
  whole: boolean;
  units: ReadonlyMap<string, UnitState>;
  stations: ReadonlyMap<string, StationState>;
  cameras: ReadonlyMap<string, CameraState>;
  kpis: ReadonlyMap<string, KpiState>;
  turn: number;
  compact: boolean;
  onCamera?: (id: string) => void;
  /** Several scenes stand side by side: each names what is its own. */
  titled?: boolean;
}

/** What a part of a scene is called to who does not see it. */
const called = (scene: Scene, s: Shown, word: string): string => (s.titled ? `${say(scene.name)}: ${word}` : word);

export function SceneView({ scene, shown }: { scene: Scene; shown: Shown }) {
  switch (scene.kind) {
    case "traffic": case "security": case "tourism": return <CameraScene scene={scene} shown={shown} />;
    case "disaster": return <DisasterScene scene={scene} shown={shown} />;
    case "service": return <ServiceScene scene={scene} shown={shown} />;
    case "ranking": return <RankingScene scene={scene} shown={shown} />;
    default: return <OverviewScene scene={scene} shown={shown} />;
  }
}

/** The scene's own figures in its order, else the wall's usual ones. */
function figures(scene: Scene, kpis: ReadonlyMap<string, KpiState>, n: number): [string, KpiState][] {
  const own = scene.kpis.flatMap((id) => (kpis.has(id) ? [[id, kpis.get(id)!] as [string, KpiState]] : []));
  return own.length ? own.slice(0, n) : chooseKpis(kpis, n);
}

const ofKinds = (cameras: ReadonlyMap<string, CameraState>, kinds: string[]) => new Map([...cameras].filter(([, c]) => !kinds.length || kinds.includes(c.kind)));

function OverviewScene({ scene, shown: s }: { scene: Scene; shown: Shown }) {
  const few = s.compact ? 2 : 6;
  return (
    <div class="scene overview">
      <section class="where" aria-label={called(scene, s, t("map"))}>
        <ProvinceMap units={s.units} stations={s.stations} cameras={s.cameras} whole={s.whole} />
        <ol class="notables" aria-label={called(scene, s, t("notable"))}>
          {notable(s.stations, s.compact ? 3 : 5).map(([id, st]) => <NotableRow key={id} id={id} station={st} />)}
        </ol>
      </section>
      <section class="figures" aria-label={called(scene, s, t("kpis"))}>
        {figures(scene, s.kpis, few).map(([id, k]) => <KpiTile key={id} id={id} kpi={k} compare={!s.whole} />)}
      </section>
      <section class="pictures" aria-label={called(scene, s, t("cameras"))}>
        {chooseCameras(ofKinds(s.cameras, scene.cameras), few, s.turn).map(([id, c]) => <CameraTile key={id} id={id} camera={c} onOpen={s.onCamera} />)}
      </section>
    </div>
  );
}

const noStations: ReadonlyMap<string, StationState> = new Map();

/** More pictures than usual stand in as many columns as keep them about 16:9; fewer leave no hole. */
function tiling(n: number): { class?: string; style?: Record<string, string> } {
  if (n <= 6) return n < 6 ? { class: `few${n}` } : {};
  const columns = Math.ceil(Math.sqrt(n * 1.1));
  return { class: "tiled", style: { gridTemplate: `repeat(${Math.ceil(n / columns)}, minmax(0, 1fr)) / repeat(${columns}, minmax(0, 1fr))`, "--columns": String(columns) } };
}

function CameraScene({ scene, shown: s }: { scene: Scene; shown: Shown }) {
  const mine = ofKinds(s.cameras, scene.cameras);
  const counts = new Map<CameraHealth, number>();
  for (const c of mine.values()) counts.set(c.state, (counts.get(c.state) ?? 0) + 1);
  const bad = [...mine].filter(([, c]) => c.state !== "live").sort((a, b) => ORDER[cameraSeverity(b[1].state)] - ORDER[cameraSeverity(a[1].state)] || b[1].since - a[1].since);
  const own = figures(scene, s.kpis, scene.kpis.length ? 2 : 0);
  const sites = new Set([...mine.values()].map((c) => c.unit));
  // One station of each site, the one that measures most.
  const weather = scene.kind !== "tourism" ? [] : [...sites].flatMap((unit) => [...s.stations]
    .filter(([, st]) => st.unit === unit && (st.values.air_temperature || st.values.wind_speed))
    .sort((a, b) => Object.keys(b[1].values).length - Object.keys(a[1].values).length).slice(0, 1)).slice(0, own.length ? 4 : 6);
  const most = scene.tiles || (s.compact ? 4 : 6), tiled = tiling(s.compact ? 6 : Math.min(most, mine.size));
  return (
    <div class="scene cams">
      <section class="aside" aria-label={called(scene, s, t("camerasOf"))}>
        {own.length > 0 && <div class="figures one">{own.map(([id, k]) => <KpiTile key={id} id={id} kpi={k} compare={!s.whole} />)}</div>}
        <div class="box">
          <h3>{t("camerasOf")}</h3>
          <p class="big"><b>{share(counts.get("live") ?? 0, mine.size, lang.value)}</b> {t("allCamerasLive")}</p>
          {bad.length === 0 ? <p class="soft">{mine.size ? t("allLive") : t("noCameras")}</p> : (
            <ol class="rows">
              {bad.slice(0, own.length ? 3 : 6).map(([id, c]) => (
                <li key={id}><Mark severity={cameraSeverity(c.state)} silent /><span class="name">{say(c.name)}</span><span class="val">{t(("cam_" + c.state) as Word)} <Age at={c.since} /></span></li>
              ))}
            </ol>
          )}
        </div>
        {weather.length > 0 && (
          <div class="box">
            <h3>{t("siteWeather")}</h3>
            <ol class="rows">
              {weather.map(([id, st]) => (
                <li key={id} class={st.state === "fresh" ? "" : "stale"}>
                  <span class="name">{say(s.units.get(st.unit)?.name) || say(st.name)}</span>
                  <span class="val">{(["air_temperature", "wind_speed"] as const).flatMap((m) => (st.values[m] ? [<Measured key={m} metric={m} v={st.values[m]!} />, " "] : []))}</span>
                </li>
              ))}
            </ol>
          </div>
        )}
        {weather.length === 0 && <ProvinceMap units={s.units} stations={noStations} cameras={mine} whole={s.whole} />}
      </section>
      <section class={`pictures ${tiled.class ?? ""}`} aria-label={called(scene, s, t("cameras"))} style={tiled.style}>
        {chooseCameras(mine, most, s.turn).map(([id, c]) => <CameraTile key={id} id={id} camera={c} onOpen={s.onCamera} />)}
      </section>
    </div>
  );
}

function DisasterScene({ scene, shown: s }: { scene: Scene; shown: Shown }) {
  const mine = ofKinds(s.cameras, scene.cameras);
  return (
    <div class="scene disaster">
      <section class="where one" aria-label={called(scene, s, t("map"))}><ProvinceMap units={s.units} stations={s.stations} cameras={mine} whole={s.whole} /></section>
      <ol class="notables two" aria-label={called(scene, s, t("notable"))}>
        {notable(s.stations, s.compact ? 6 : 10).map(([id, st]) => <NotableRow key={id} id={id} station={st} />)}
      </ol>
      <section class="pictures column" aria-label={called(scene, s, t("cameras"))}>
        {chooseCameras(mine, s.compact ? 2 : 3, s.turn).map(([id, c]) => <CameraTile key={id} id={id} camera={c} onOpen={s.onCamera} />)}
      </section>
    </div>
  );
}

/** The part of a figure's values that the greys span: all of them but the outermost twentieths. */
function spread(values: number[]): [number, number] {
  const sorted = [...values].sort((a, b) => a - b), at = (q: number) => sorted[Math.round((sorted.length - 1) * q)] ?? 0;
  return sorted.length ? [at(0.05), Math.max(at(0.95), at(0.05) + 1e-9)] : [0, 1];
}

function ServiceScene({ scene, shown: s }: { scene: Scene; shown: Shown }) {
  const six = figures(scene, s.kpis, s.compact ? 4 : 6), l = lang.value;
  const [id, k] = six.find(([, x]) => heldUnits(x).length > 1) ?? six.find(([, x]) => x.better && Object.keys(x.units ?? {}).length > 1) ?? six[0] ?? [];
  if (!id || !k) return <div class="scene service"><p class="waiting">{t("waiting")}</p></div>;
  const of = k.units ?? {};
  const severity = (v: number, unit: string) => kpiSeverity(ofUnit(k, unit, v)), targets = unitTargets(k).map((v) => short(v, k.decimals, l));
  const words = (v: number) => num(v, k.decimals, l) + (k.symbol ? "\u00a0" + k.symbol : "");
  const held = heldUnits(k).filter(([unit]) => s.units.has(unit));
  const short_ = held.filter(([unit, v]) => severity(v, unit) !== "calm")
    .sort((a, b) => (k.better === "lower" ? b[1] - a[1] : a[1] - b[1]));
  return (
    <div class="scene service">
      <section class="where one" aria-label={called(scene, s, t("map"))}>
        <h3 class="of">{say(k.name)} {t("byUnitOf")}{targets.length > 0 && <small>{t("target")} {targets.join("; ")}{k.symbol ? "\u00a0" + k.symbol : ""}</small>}</h3>
        <ProvinceMap units={s.units} stations={s.stations} cameras={s.cameras} whole={s.whole} bare
          shade={{ of, range: spread(Object.values(of).filter((v) => v !== null)), severity, label: say(k.name), words, named: short_.map((e) => e[0]) }} />
      </section>
      <section class="figures" aria-label={called(scene, s, t("kpis"))}>{six.map(([i, x]) => <KpiTile key={i} id={i} kpi={x} compare={!s.whole} />)}</section>
      <section class="box listed" aria-label={called(scene, s, t("missTarget"))}>
        <h3>{t("missTarget")} {held.length > 0 && <b>{short_.length}/{held.length}</b>}</h3>
        {short_.length === 0 ? <p class="soft">{t(held.length ? "allReach" : "noTarget")}</p> : (
          <ol class="rows two">
            {short_.slice(0, 8).map(([code, v]) => <li key={code}><Mark severity={severity(v, code)} silent /><span class="name">{say(s.units.get(code)?.name)}</span><span class="val">{words(v)}</span></li>)}
          </ol>
        )}
      </section>
    </div>
  );
}

/** Until a recording without rankings is said to have none, ms: its first frames bring them. */
const UNKEPT_MS = 2_000;

function RankingScene({ scene, shown: s }: { scene: Scene; shown: Shown }) {
  const metric = scene.kpis[0] ?? chooseKpis(s.kpis, 20).find(([, k]) => k.better)?.[0] ?? "";
  const rankings = useTopic<RankingAnswer>("rankings/" + s.scope);
  const areas = rankings.get(metric + "/scopes"), communes = rankings.get(metric + "/units");
  const missing = replaying.value && s.kpis.size > 0 && rankings.size === 0;
  const [unkept, setUnkept] = useState(false);
  useEffect(() => {
    setUnkept(false);
    if (!missing) return;
    const timer = setTimeout(() => setUnkept(true), UNKEPT_MS);
    return () => clearTimeout(timer);
  }, [missing]);
  const k = s.kpis.get(metric), about = areas ?? communes, l = lang.value;
  const many = (communes?.ranked.length ?? 0) > 16, per = s.compact ? 4 : 6;
  const wide = (areas?.ranked.length ?? 0) > 1;
  // Against yesterday; where nobody has moved since then, against the end of last month.
  const lists = [areas, communes].flatMap((a) => a?.ranked ?? []);
  const stood = (of: (r: Ranked) => number | undefined) => lists.some((r) => r.place > 0 && !!of(r) && of(r) !== r.place);
  const month = !stood((r) => r.before) && stood((r) => r.before_month);
  const known = lists.some((r) => (month ? r.before_month : r.before));
  if (missing && unkept) return <div class="scene unkept" role="note"><h3>{t("replayRanking")}</h3><p>{t("replayRankingWhy")}</p></div>;
  if (!about) return <div class="scene ranking"><p class="waiting">{t("waiting")}</p></div>;
  return (
    <div class={`scene ranking ${wide ? "" : "single"}`}>
      <h3 class="of">{say(about.name)} <span>{k && k.v !== null ? `${num(k.v, k.decimals, l)}${k.symbol ? "\u00a0" + k.symbol : ""}` : ""}</span>
        <small>{k?.target !== null && k?.target !== undefined ? `${t("target")} ${short(k.target, k.decimals, l)}${k.symbol ? "\u00a0" + k.symbol : ""} · ` : ""}{known ? t(month ? "againstMonth" : "against") : t("noBefore")}</small></h3>
      {wide && <RankTable in_={s.titled ? say(scene.name) : ""} title={t("areas")} answer={areas!} rows={areas!.ranked.slice(0, s.compact ? 10 : 18)} kpi={k} month={month} columns />}
      <RankTable in_={s.titled ? say(scene.name) : ""} title={`${t("communes")}: ${t("top").toLowerCase()}`} answer={communes} rows={(communes?.ranked ?? []).slice(0, many ? per : 14)} kpi={k} month={month} />
      {many && <RankTable in_={s.titled ? say(scene.name) : ""} title={`${t("communes")}: ${t("bottom").toLowerCase()}`} answer={communes} rows={communes!.ranked.filter((r) => r.place > 0).slice(-per)} kpi={k} month={month} />}
    </div>
  );
}

function RankTable({ in_, title, answer, rows, kpi, month, columns }: { in_: string; month: boolean; title: string; answer: RankingAnswer | undefined; rows: Ranked[]; kpi: KpiState | undefined; columns?: boolean }) {
  const known = (answer?.ranked ?? []).flatMap((r) => (r.v === null ? [] : [r.v]));
  // A recording from before rankings had targets: the scope's own.
  const target = (r: Ranked) => (r.target === undefined ? kpi?.target : r.target) ?? null;
  const marks = (answer?.ranked ?? []).flatMap((r) => target(r) ?? []);
  const lo = Math.min(...known, ...marks), hi = Math.max(...known, ...marks), pad = (hi - lo) * 0.15 || 1;
  const x = (v: number) => ((v - lo + pad) / (hi - lo + 2 * pad)) * 100;
  return (
    <section class={`box ranks ${columns ? "areas" : ""}`} aria-label={in_ ? `${in_}: ${title}` : title}>
      <h3>{title}</h3>
      <ol>
        {rows.map((r) => {
          const before = month ? r.before_month : r.before, moved = r.place && before ? before - r.place : 0;
          const sev = kpi && r.v !== null ? kpiSeverity({ ...kpi, v: r.v, target: target(r) }) : "calm", mark = target(r);
          return (
            <li key={r.id} class={r.v === null ? "few" : ""}>
              <span class="place">{r.place || "—"}</span>
              <span class="name">{columns ? say(r.name).replace(/^Khu vực | area$/, "") : say(r.name)}</span>
              <span class="moved">{moved !== 0 && <><Arrow delta={moved} /><span class="vh">{t(moved > 0 ? "upTo" : "downTo")} </span>{Math.abs(moved)}<span class="vh"> {t("places")}</span></>}</span>
              {sev !== "calm" ? <Mark severity={sev} /> : <i class="nomark" />}
              <span class="val">{r.v === null ? t("insufficient") : num(r.v, answer!.decimals, lang.value)}</span>
              <span class="bar" aria-hidden="true">{r.v !== null && <i style={{ width: `${x(r.v)}%` }} />}{mark !== null && <em style={{ left: `${x(mark)}%` }} />}</span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
