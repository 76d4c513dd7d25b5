// The desk of a scope: alarms to act on, the place they are about, the cameras next
// to it, and the scope's own figures beside the province's.
import { useEffect, useState } from "preact/hooks";
import type { AlarmState, CameraState, KpiState, ScopeInfo, ScopeState, StationState, UnitState } from "./contract";
import { api } from "./api";
import { AlarmDesk } from "./desk-alarms";
import { CameraDialog, CameraTile } from "./camera";
import { DutyBook, HandoverDialog } from "./duty";
import { Evidence } from "./evidence";
import { distance } from "./geo";
import { lang, say, t } from "./i18n";
import { byUrgency, cameraSeverity, chooseKpis, ORDER } from "./judge";
import { KpiTile } from "./kpi";
import { ProvinceMap } from "./map";
import { Desk } from "./pieces";
import { PlaceCard } from "./place";
import { allowSound, audible, keepAudible } from "./sound";
import { denied, me, useFetched, useTopic } from "./store";
import { go } from "./route";
import { Why } from "./why";
import "./district.css";

const CAMERAS = 4, KPIS = 8;

function kept(): boolean {
  try { return localStorage.getItem("sound") === "on"; } catch { return false; }
}

export default function District({ scope }: { scope: string }) {
  const overview = useTopic<unknown>("overview/" + scope);
  const stations = useTopic<StationState>("stations/" + scope);
  const cameras = useTopic<CameraState>("cameras/" + scope);
  const kpis = useTopic<KpiState>("kpis/" + scope);
  const alarms = useTopic<AlarmState>("alarms/" + scope);
  const [chosen, setChosen] = useState<{ unit: string; alarm: string } | null>(null);
  const [camera, setCamera] = useState("");
  const [sound, setSound] = useState(kept);
  const [handing, setHanding] = useState(false), [why, setWhy] = useState("");

  const about = overview.get("scope") as ScopeState | undefined;
  const units = new Map<string, UnitState>();
  for (const [key, v] of overview) if (key.startsWith("unit:")) units.set(key.slice(5), v as UnitState);

  // Until somebody chooses, the place is where the most urgent alarm is; in calm
  // weather, where it rained most.
  const worst = [...alarms.values()].filter((a) => a.state !== "cleared" && units.has(a.unit)).sort(byUrgency)[0];
  const wettest = [...units].sort((a, b) => ORDER[b[1].severity] - ORDER[a[1].severity] || (b[1].rain_24h ?? -1) - (a[1].rain_24h ?? -1))[0];
  const unit = chosen?.unit ?? worst?.unit ?? wettest?.[0] ?? "";
  const alarm = chosen ? chosen.alarm : (worst?.id ?? "");

  const of = alarm ? alarms.get(alarm) : undefined;
  const point = (of?.station && stations.get(of.station)) || (of?.camera && cameras.get(of.camera)) || units.get(unit);
  const healthy = (c: CameraState) => (cameraSeverity(c.state) === "calm" ? 0 : 1);
  const near = point
    ? [...cameras].filter(([id]) => id !== of?.camera).sort((a, b) => healthy(a[1]) - healthy(b[1]) || distance(point, a[1]) - distance(point, b[1]))
    : [...cameras];
  if (of?.camera && cameras.has(of.camera)) near.unshift([of.camera, cameras.get(of.camera)!]);
  const open = camera ? cameras.get(camera) : undefined;

  useEffect(() => (sound ? keepAudible() : undefined), [sound]);
  const toggle = () => {
    const on = !sound || !audible.value; // what cannot be heard yet is not switched off
    setSound(on);
    if (on) allowSound();
    try { localStorage.setItem("sound", on ? "on" : "off"); } catch { /* for this visit only */ }
  };

  const known = useFetched("scopes", (signal) => api<{ scopes?: ScopeInfo[] }>("GET", "units", undefined, signal))?.scopes ?? [];
  const others = me.value?.scopes ?? [];
  const named = (id: string) => say(known.find((s) => s.id === id)?.name) || (id === about?.id ? say(about.name) : id);
  if (denied.value["overview/" + scope]) {
    return (
      <Desk title={t("outside")}>
        <p class="panel">{t("outsideWhy")} <b>{scope}</b>. <a href={"/district/" + encodeURIComponent(me.value?.scope ?? "")}>{t("ownDesk")}</a></p>
      </Desk>
    );
  }
  return (
    <Desk
      title={about ? say(about.name) : t("waiting")}
      held={about?.held}
      tools={
        <>
          {others.length > 1 && (
            <select class="scopes" aria-label={t("duty")} value={scope} onChange={(e) => go("/district/" + encodeURIComponent(e.currentTarget.value))}>
              {others.map((s) => <option key={s} value={s}>{named(s)}</option>)}
            </select>
          )}
          <button type="button" onClick={() => setHanding(true)}>{t("handOver")}</button>
          <button type="button" class="quiet" aria-pressed={sound && audible.value} onClick={toggle}>{t(!sound ? "soundOff" : audible.value ? "soundOn" : "soundAsk")}</button>
        </>
      }
    >
      {about?.exercise && <p class="exband">{t("exercise")}</p>}
      <div class="district" onPointerDown={() => {
        // Whoever works on a place keeps it: a new alarm must not move it from under the hand.
        if (!chosen && alarm) setChosen({ unit, alarm });
      }}>
        <AlarmDesk alarms={alarms} chosen={alarm} sound={sound} onChoose={(a) => setChosen({ unit: a.unit, alarm: a.id })} />
        <div class="middle">
          <section class="panel where2" aria-label={t("map")}>
            <ProvinceMap units={units} stations={stations} cameras={cameras} whole={!about || about.id === about.root} chosen={unit} onChoose={(u) => setChosen({ unit: u, alarm: "" })} />
          </section>
          {of && <Evidence key={of.id} alarm={of} />}
          <PlaceCard kpis={kpis} units={units} unit={unit} stations={stations} about={point} onUnit={(u) => setChosen({ unit: u, alarm: "" })} />
        </div>
        <div class="side">
          <section class="panel nearest" aria-label={t("nearest")}>
            <h2>{t("nearest")}</h2>
            {near.length === 0 && <p class="muted">{t("noCameras")}</p>}
            <div class="tiles">{near.slice(0, CAMERAS).map(([id, c]) => <CameraTile key={id} id={id} camera={c} onOpen={setCamera} />)}</div>
          </section>
          <DutyBook scope={scope} alarm={of} />
        </div>
        <section class="own" aria-label={t("kpis")} lang={lang.value}>
          {chooseKpis(kpis, KPIS).map(([id, k]) => <KpiTile key={id} id={id} kpi={k} compare onWhy={setWhy} />)}
        </section>
      </div>
      {why && kpis.get(why) && <Why key={why} id={why} scope={scope} kpi={kpis.get(why)!} onClose={() => setWhy("")} />}
      {handing && <HandoverDialog scope={scope} about={about} alarms={alarms} onClose={() => setHanding(false)} />}
      {open && <CameraDialog id={camera} camera={open} onClose={() => setCamera("")} />}
    </Desk>
  );
}
