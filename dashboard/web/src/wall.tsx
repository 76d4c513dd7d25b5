// The wall: one glance from five metres. What is wrong, where, how far from target,
// and whether any of it is live. The headline and the alarms stand on every wall, at
// every moment; between them are one or more places for scenes. Every list is
// bounded, so the page is as big after a month as after a minute.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { AlarmState, CameraState, Headline, KpiState, Layout, Scene, ScopeState, StationState, UnitState } from "./contract";
import { api } from "./api";
import { CameraDialog } from "./camera";
import { clock, day, hourMinute, share, span } from "./format";
import { lang, say, switchLang, t } from "./i18n";
import { byWeight, withoutPlace } from "./judge";
import { gridOf, held, lightAt, places, shiftAt, turnAt } from "./layout";
import { Age, Clock, LiveMark, LostBand, NotFetched } from "./pieces";
import { reporting } from "./report";
import { go, path, query } from "./route";
import { SceneView, type Shown } from "./scenes";
import { Mark } from "./severity";
import { dead, denied, live, link, me, now, replaying, useFetched, useTopic, whoAmI } from "./store";
import { keepAwake, watchMemory } from "./watchdog";
import "./wall.css";

const TURN_MS = 20_000, FOCUS_MS = 120_000;
/** Until the server has named its layouts. */
const PLAIN: Layout = {
  id: "", name: { vi: "" }, distance_m: 5, canvas: [1920, 1080], unit: 10.8, panel: { inches: 55, width: 1920, height: 1080, columns: 1, rows: 1 }, dim: { from: 0, until: 0, to: 1 },
  scenes: [{ id: "overview", kind: "overview", name: { vi: "Tổng quan", en: "Overview" }, seconds: 60, cameras: [], kpis: [] }],
};

function useSize(): [number, number] {
  const [size, set] = useState<[number, number]>([innerWidth, innerHeight]);
  useEffect(() => {
    const read = () => set([innerWidth, innerHeight]);
    addEventListener("resize", read);
    return () => removeEventListener("resize", read);
  }, []);
  return size;
}

export default function Wall() {
  return <WallView />;
}

/** The wall, live or, given the size of the place it has, as a replay's. */
export function WallView({ size }: { size?: [number, number] }) {
  const past = replaying.value;
  const scope = query.value.get("scope") || me.value?.scope || "15";
  const overview = useTopic<unknown>("overview/" + scope);
  const stations = useTopic<StationState>("stations/" + scope);
  const cameras = useTopic<CameraState>("cameras/" + scope);
  const kpis = useTopic<KpiState>("kpis/" + scope);
  const alarms = useTopic<AlarmState>("alarms/" + scope);
  const whole = useSize(), [width, height] = size ?? whole;
  const [focus, setFocus] = useState("");

  const layouts = useFetched<Layout[]>("layouts", async (signal) => (await api<{ layouts: Layout[] }>("GET", "layouts", undefined, signal)).layouts);
  const asked = query.value.get("layout") || me.value?.layout;
  const given = layouts?.find((l) => l.id === asked) ?? layouts?.[0] ?? PLAIN;
  const layout = useMemo(() => ({ ...given, scenes: given.scenes.length ? given.scenes : PLAIN.scenes }), [given]);
  const pinned = query.value.get("scene");
  // A wall goes through its scenes; somebody at a desk who looks at it decides.
  const rotating = !!asked && !pinned && !past;

  useEffect(() => {
    if (past) return;
    const unwatch = watchMemory(), sleep = keepAwake();
    return () => { unwatch(); sleep(); };
  }, []);
  // A wall that was revoked asks to be paired again; while nobody answers who it is,
  // it keeps its last picture, greyed, and keeps trying: nobody is there at night.
  useEffect(() => {
    if (link.value !== "signin" || past) return;
    void whoAmI().then(() => { if (me.value) live.reconnect(); }); // somebody's session here has ended: a paired wall again
    const again = setInterval(() => live.reconnect(), 60_000);
    return () => clearInterval(again);
  }, [link.value]);

  // A picture that somebody opened on a wall and left there must not hide it for long.
  useEffect(() => {
    if (!focus) return;
    const leave = setTimeout(() => setFocus(""), FOCUS_MS);
    return () => clearTimeout(leave);
  }, [focus]);

  const about = overview.get("scope") as ScopeState | undefined;
  const headline = overview.get("headline") as Headline | undefined;
  const units = useMemo(() => new Map<string, UnitState>(), [scope]);
  units.clear();
  for (const [key, v] of overview) if (key.startsWith("unit:")) units.set(key.slice(5), v as UnitState);
  const open = [...alarms.values()].filter((a) => a.state !== "cleared").sort(byWeight);

  const phone = width <= 900 || width < height;
  const only = pinned ? layout.scenes.filter((s) => s.id === pinned) : phone ? layout.scenes.slice(0, 1) : layout.scenes;
  const scenes = only.length ? only : layout.scenes.slice(0, 1);
  // A window of another shape than a wall of many panels shows it to scale.
  const scale = Math.min(width / layout.canvas[0], height / layout.canvas[1]), scaled = !phone && layout.panel.columns * layout.panel.rows > 1;
  const wide = scaled ? Math.round(layout.canvas[0] * scale) : width, high = scaled ? Math.round(layout.canvas[1] * scale) : height;
  const grid = gridOf(layout, rotating || pinned ? scenes.length : 1, wide, high);
  const rows = phone ? 3 : grid.alarms;
  const held_ = held(scenes, open);
  const shown: Scene[] = places(rotating ? scenes : scenes.slice(0, 1), grid.cells).map((group, i, all) => {
    if (group.length === 1) return group[0]!;
    // The last place rotates, except that a critical alarm holds it where it is seen,
    // unless that scene has a place of its own.
    const at = held_ >= 0 && i === all.length - 1 ? group.indexOf(scenes[held_]!) : -1;
    return group[at >= 0 ? at : turnAt(group, now.value)]!;
  });
  const titled = shown.length > 1;
  // By place, the scene that it began with, or true once another one came.
  const turned = useRef<(string | true)[]>([]);
  if (layouts) shown.forEach((s, i) => { if ((turned.current[i] ??= s.id) !== s.id) turned.current[i] = true; });
  const report = useRef({ layout: "", scene: "" });
  report.current = { layout: layout.id, scene: shown.map((s) => s.id).join(",").slice(0, 100) };
  useEffect(() => (past ? undefined : reporting(() => report.current)), []);

  const light = past || held_ >= 0 || open.some((a) => a.severity === "critical") ? 1 : lightAt(layout.dim, Number(clock(now.value).slice(0, 2)));
  const [dx, dy] = shiftAt(now.value), turn = Math.floor(now.value / TURN_MS);
  const style = { ...(past || phone ? {} : { transform: `translate(${dx}px, ${dy}px)` }), ...(phone ? {} : { "--u": `${grid.unit}px` }), ...(scaled ? { width: `${wide}px`, height: `${high}px`, margin: `${(height - high) / 2}px auto` } : {}) } as Record<string, string>;
  const data: Shown = { scope, whole: !about || about.id === about.root, units, stations, cameras, kpis, turn, compact: grid.compact, titled, onCamera: past ? undefined : setFocus };

  return (
    <div class={`wall ${dead.value ? "dead" : ""} ${about?.exercise ? "exercising" : ""} ${grid.compact && !phone ? "compact" : ""} ${titled ? "many" : ""}`} style={style} data-layout={layout.id}>
      <header class="wtop">
        <h1>{about ? say(about.name) : t("product")}</h1>
        {about && (
          <p class="health">
            <span>{t("stations")} <b>{share(about.stations.fresh, about.stations.total, lang.value)}</b></span>
            <span>{t("cameras")} <b>{share(about.cameras.live, about.cameras.total, lang.value)}</b></span>
            {!about.store_up && <span class="storedown"><Mark severity="notice" silent /> {t("storeDown")}</span>}
          </p>
        )}
        <span class="grow"><LostBand held={about?.held} /></span>
        {!titled && !dead.value && layout.scenes.length > 1 && !phone && (rotating
          ? <p class="scenename">{say(shown[0]!.name)} <span aria-hidden="true">{layout.scenes.map((s) => <i key={s.id} class={s === shown[0] ? "on" : ""} />)}</span></p>
          : me.value?.role !== "wall" && <ScenePicker scenes={layout.scenes} at={scenes[0]!.id} />)}
        {!past && me.value?.role !== "wall" && !phone && <a class="langswitch button" href={"/replay?scope=" + encodeURIComponent(scope)}>{t("replay")}</a>}
        <button type="button" class="langswitch" lang={lang.value === "vi" ? "en" : "vi"} onClick={switchLang}>{lang.value === "vi" ? "EN" : "VI"}<span class="vh"> {t("otherLang")}</span></button>
        <span class="wdate">{day(now.value)}</span>
        <Clock />
        <LiveMark />
      </header>
      {about?.exercise && <div class="exercise" role="status">{[0, 1, 2, 3, 4].map((i) => <span key={i} aria-hidden={i > 0}>{t("exercise")}</span>)}</div>}

      <main>
        <section class="headline" aria-live="polite" data-severity={headline?.severity}>
          {headline ? (
            <>
              {headline.severity !== "calm" && <Mark severity={headline.severity} />}
              <h2 class={say(headline.text).length > 84 ? "long" : ""}>{alarms.get(headline.alarm)?.exercise && <span class="ex">{t("exercise")}</span>}{say(headline.text)}</h2>
              {headline.severity !== "calm" && (
                <p class="who">
                  <span class={headline.holder ? "" : "nobody"}>{headline.holder || t("noHolder")}</span>
                  {headline.since > 0 && <span>{hourMinute(headline.since)} · {span(now.value - headline.since, lang.value)}</span>}
                </p>
              )}
            </>
          ) : <h2 class="waiting">{denied.value["overview/" + scope] ? t("outside") : t("waiting")}</h2>}
        </section>

        <div class="stage" style={phone ? undefined : { gridTemplateColumns: `repeat(${grid.columns}, minmax(0, 1fr))`, gridTemplateRows: `repeat(${grid.rows}, minmax(0, 1fr))` }}>
          {!layouts && <NotFetched />}
          {layouts && shown.map((s, i) => (
            <div class={`cell-of ${turned.current[i] === true ? "turned" : ""}`} key={i} data-scene={s.id} style={i === 0 && grid.first[0] > 1 ? { gridColumn: `span ${grid.first[0]}`, gridRow: `span ${grid.first[1]}`, "--z": String(Math.min(grid.first[0], grid.first[1]) * 0.9) } : undefined}>
              {titled && <h2 class="scenetitle">{say(s.name)}</h2>}
              <SceneView key={s.id} scene={s} shown={data} />
            </div>
          ))}
        </div>

        <section class="alarms" aria-label={t("alarms")}>
          {open.length === 0 && <p class="none">{overview.size ? t("noAlarms") : ""}</p>}
          <ol>
            {open.slice(0, rows).map((a) => (
              <li key={a.id} class={`${a.severity} ${a.state}`} data-alarm={a.id}>
                <Mark severity={a.severity} />
                <time>{hourMinute(a.raised_at)}</time>
                <span class="say">{a.exercise && <span class="ex">{t("exercise")}</span>}<b>{say(a.place)}</b> {withoutPlace(say(a.text), say(a.place))}</span>
                <span class="do">{t(a.state)}{a.state === "assigned" && a.assigned_to ? `: ${a.assigned_to}` : a.state === "acknowledged" && a.acknowledged_by ? `: ${a.acknowledged_by}` : ""}</span>
                <Age at={a.raised_at} />
              </li>
            ))}
          </ol>
          {open.length > rows && <p class="rest">+{open.length - rows}<small>{t("more")}</small></p>}
        </section>
      </main>
      {cameras.has(focus) && <CameraDialog key={focus} id={focus} camera={cameras.get(focus)!} onClose={() => setFocus("")} />}
      {light < 1 && <div class="night" style={{ opacity: String(1 - light) }} aria-hidden="true" />}
    </div>
  );
}

/** For somebody with a mouse: the scenes by name. */
function ScenePicker({ scenes, at }: { scenes: readonly Scene[]; at: string }) {
  return (
    <select class="scenepick" aria-label={t("scene")} value={at} onChange={(e) => {
      const next = new URLSearchParams(query.value);
      next.set("scene", e.currentTarget.value);
      go(path.value + "?" + next, true);
    }}>
      {scenes.map((s) => <option key={s.id} value={s.id}>{say(s.name)}</option>)}
    </select>
  );
}
