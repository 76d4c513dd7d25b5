// The wall: one glance from five metres. What is wrong, where, how far from target,
// and whether any of it is live. Every list is bounded, so the page is as big after
// a month as after a minute.
import { useEffect, useState } from "preact/hooks";
import type { AlarmState, CameraState, Headline, KpiState, ScopeState, StationState, UnitState } from "./contract";
import { CameraTile } from "./camera";
import { day, hourMinute, share, span } from "./format";
import { lang, say, switchLang, t } from "./i18n";
import { byUrgency, chooseCameras, chooseKpis, withoutPlace } from "./judge";
import { KpiTile } from "./kpi";
import { ProvinceMap } from "./map";
import { Age, Clock, LiveMark, LostBand } from "./pieces";
import { query } from "./route";
import { notable, NotableRow } from "./sensors";
import { Mark } from "./severity";
import { dead, denied, live, link, me, now, useTopic } from "./store";
import { keepAwake, watchMemory } from "./watchdog";
import "./wall.css";

const KPIS = 6, CAMERAS = 6, ALARMS = 3, NOTABLE = 5;
const TURN_MS = 20_000;

export default function Wall() {
  const scope = query.value.get("scope") || me.value?.scope || "15";
  const overview = useTopic<unknown>("overview/" + scope);
  const stations = useTopic<StationState>("stations/" + scope);
  const cameras = useTopic<CameraState>("cameras/" + scope);
  const kpis = useTopic<KpiState>("kpis/" + scope);
  const alarms = useTopic<AlarmState>("alarms/" + scope);
  const [turn, setTurn] = useState(0);
  const [shift, setShift] = useState(0);

  useEffect(() => {
    const turning = setInterval(() => setTurn((n) => n + 1), TURN_MS);
    // Burn-in care: the whole picture moves by a pixel or two every few minutes.
    const shifting = setInterval(() => setShift((n) => (n + 1) % 8), 240_000);
    const unwatch = watchMemory(), sleep = keepAwake();
    return () => { clearInterval(turning); clearInterval(shifting); unwatch(); sleep(); };
  }, []);
  // A wall whose session ended keeps its last picture, greyed, and keeps trying:
  // nobody is there at night to sign in.
  useEffect(() => {
    if (link.value !== "signin") return;
    const again = setInterval(() => live.reconnect(), 60_000);
    return () => clearInterval(again);
  }, [link.value]);

  const about = overview.get("scope") as ScopeState | undefined;
  const headline = overview.get("headline") as Headline | undefined;
  const units = new Map<string, UnitState>();
  for (const [key, v] of overview) if (key.startsWith("unit:")) units.set(key.slice(5), v as UnitState);
  const open = [...alarms.values()].filter((a) => a.state !== "cleared").sort(byUrgency);
  const shown = chooseCameras(cameras, CAMERAS, turn);
  const [dx, dy] = [[0, 0], [1, 0], [2, 1], [1, 2], [0, 2], [-1, 1], [-2, 0], [-1, -1]][shift]!;

  return (
    <div class={`wall ${dead.value ? "dead" : ""} ${about?.exercise ? "exercising" : ""}`} style={{ transform: `translate(${dx}px, ${dy}px)` }}>
      <header class="wtop">
        <h1>{about ? say(about.name) : t("product")}</h1>
        {about && (
          <p class="health">
            <span>{t("stations")} <b>{share(about.stations.fresh, about.stations.total, lang.value)}</b></span>
            <span>{t("cameras")} <b>{share(about.cameras.live, about.cameras.total, lang.value)}</b></span>
            {!about.store_up && <span class="storedown"><Mark severity="notice" silent /> {t("storeDown")}</span>}
          </p>
        )}
        <span class="grow"><LostBand /></span>
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
              <h2 class={say(headline.text).length > 84 ? "long" : ""}>{say(headline.text)}</h2>
              {headline.severity !== "calm" && (
                <p class="who">
                  <span class={headline.holder ? "" : "nobody"}>{headline.holder || t("noHolder")}</span>
                  {headline.since > 0 && <span>{hourMinute(headline.since)} · {span(now.value - headline.since, lang.value)}</span>}
                </p>
              )}
            </>
          ) : <h2 class="waiting">{denied.value["overview/" + scope] ? t("outside") : t("waiting")}</h2>}
        </section>

        <section class="where" aria-label={t("map")}>
          <ProvinceMap units={units} stations={stations} cameras={cameras} whole={!about || about.id === about.root} />
          <ol class="notables" aria-label={t("notable")}>
            {notable(stations, NOTABLE).map(([id, s]) => <NotableRow key={id} id={id} station={s} />)}
          </ol>
        </section>

        <section class="figures" aria-label={t("kpis")}>
          {chooseKpis(kpis, KPIS).map(([id, k]) => <KpiTile key={id} id={id} kpi={k} compare={!!about && about.id !== about.root} />)}
        </section>

        <section class="pictures" aria-label={t("cameras")}>
          {shown.map(([id, c]) => <CameraTile key={id} id={id} camera={c} />)}
        </section>

        <section class="alarms" aria-label={t("alarms")}>
          {open.length === 0 && <p class="none">{overview.size ? t("noAlarms") : ""}</p>}
          <ol>
            {open.slice(0, ALARMS).map((a) => (
              <li key={a.id} class={`${a.severity} ${a.state}`} data-alarm={a.id}>
                <Mark severity={a.severity} />
                <time>{hourMinute(a.raised_at)}</time>
                <span class="say"><b>{say(a.place)}</b> {withoutPlace(say(a.text), say(a.place))}{a.count > 1 && <small> ×{a.count}</small>}</span>
                <span class="do">{t(a.state)}{a.state === "assigned" && a.assigned_to ? `: ${a.assigned_to}` : a.state === "acknowledged" && a.acknowledged_by ? `: ${a.acknowledged_by}` : ""}</span>
                <Age at={a.raised_at} />
              </li>
            ))}
          </ol>
          {open.length > ALARMS && <p class="rest">+{open.length - ALARMS}<small>{t("more")}</small></p>}
        </section>
      </main>
    </div>
  );
}
