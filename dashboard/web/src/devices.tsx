// New devices, which wait to be adopted, and what was refused, with the reasons.
import { useState } from "preact/hooks";
import { api, list, whyNot } from "./api";
import type { Device, Refusals, UnitInfo } from "./contract";
import { dayTime, num } from "./format";
import { lang, refusal, say, t } from "./i18n";
import { Desk } from "./pieces";
import { measureName, MEASURE } from "./sensors";
import { now, useFetched, useKept } from "./store";
import { Walls } from "./walls";
import "./devices.css";

const ms = (at: number | string) => (typeof at === "number" ? at : Date.parse(at));
const EVERY_MS = 10_000;

export default function Devices() {
  const round = Math.floor(now.value / EVERY_MS);
  const [done, setDone] = useState<Record<string, true>>({});
  const fresh = useFetched("devices" + round, () => list<Device>("devices"));
  const told = useFetched("refusals" + round, (s) => api<Refusals>("GET", "refusals", undefined, s));
  const units = useFetched("units", () => list<UnitInfo>("units")) ?? [];
  // The next round is being fetched: the round before stays on screen.
  const devices = useKept(fresh), refusals = useKept(told);
  const waiting = (devices ?? []).filter((d) => !done[d.id]);

  return (
    <Desk title={t("system")}>
      <Walls />

      <h2 class="big">{t("devices")}</h2>
      <p class="lead muted">{t("devicesLead")}</p>
      {devices && waiting.length === 0 && <p class="panel muted">{t("noDevices")}</p>}
      <ul class="devicelist">
        {waiting.map((d) => <NewDevice key={d.id} device={d} units={units} onDone={() => setDone((x) => ({ ...x, [d.id]: true }))} />)}
      </ul>
      {Object.keys(done).length > 0 && <p role="status">{t("adopted")}: {Object.keys(done).join(", ")}</p>}

      <h2 class="big">{t("refusals")}</h2>
      <p class="lead muted">{t("refusalsLead")}</p>
      {refusals && <RefusalList refusals={refusals} />}
    </Desk>
  );
}

function NewDevice({ device: d, units, onDone }: { device: Device; units: UnitInfo[]; onDone: () => void }) {
  const [problem, setProblem] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const [unit, setUnit] = useState("");
  const communes = units.filter((u) => u.code.length === 5).sort((a, b) => say(a.name).localeCompare(say(b.name), "vi"));
  const at = communes.find((u) => u.code === unit) ?? communes[0];
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const form = new FormData(e.currentTarget as HTMLFormElement);
    setBusy(true);
    try {
      await api("POST", `devices/${encodeURIComponent(d.id)}/adopt`, {
        name: String(form.get("name")).trim(), unit: at!.code, lat: Number(form.get("lat")), lon: Number(form.get("lon")), metrics: Object.keys(d.metrics),
      });
      onDone();
    } catch (err) {
      setProblem(err);
      setBusy(false);
    }
  };
  return (
    <li class="panel" data-device={d.id}>
      <div class="about">
        <h2>{d.id}</h2>
        <p>{Object.entries(d.metrics).map(([m, v]) => <span key={m} class="chip">{measureName(m)} <b>{num(v, MEASURE[m]?.decimals ?? 2, lang.value)}</b> {MEASURE[m]?.symbol}</span>)}</p>
        <p class="muted">{t("firstSeen")} {dayTime(ms(d.first_seen))} · {t("lastSeen")} {dayTime(ms(d.last_seen))} · {t("count")} {num(d.count, 0, lang.value)}</p>
      </div>
      <form onSubmit={submit}>
        <label class="wide">{t("name")}<input name="name" required maxLength={120} defaultValue={d.id} /></label>
        <label class="wide">{t("unit")}<select required value={at?.code} onChange={(e) => setUnit(e.currentTarget.value)}>{communes.map((u) => <option key={u.code} value={u.code}>{say(u.name)}</option>)}</select></label>
        <label>{t("lat")}<input key={"a" + at?.code} name="lat" type="number" step="any" min={-90} max={90} required defaultValue={at?.lat.toFixed(4)} /></label>
        <label>{t("lon")}<input key={"o" + at?.code} name="lon" type="number" step="any" min={-180} max={180} required defaultValue={at?.lon.toFixed(4)} /></label>
        <button type="submit" class="strong" disabled={busy || !at}>{t("adopt")}</button>
      </form>
      {problem ? <p class="problem" role="alert">{t("notDone")}: {whyNot(problem)}</p> : null}
    </li>
  );
}

function RefusalList({ refusals }: { refusals: Refusals }) {
  const counts = Object.entries(refusals.counts ?? {}).flatMap(([source, by]) => Object.entries(by).map(([reason, n]) => ({ source, reason, n }))).filter((c) => c.n > 0).sort((a, b) => b.n - a.n);
  if (!counts.length && !refusals.last?.length) return <p class="panel muted">{t("noRefusals")}</p>;
  return (
    <div class="refusals">
      <section class="panel">
        <table>
          <thead><tr><th>{t("source")}</th><th>{t("reason")}</th><th class="n">{t("count")}</th></tr></thead>
          <tbody>{counts.map((c) => <tr key={c.source + c.reason}><td>{c.source}</td><td title={c.reason}>{refusal(c.reason)}</td><td class="n">{num(c.n, 0, lang.value)}</td></tr>)}</tbody>
        </table>
      </section>
      <section class="panel scroll" tabIndex={0} aria-label={t("refusals")}>
        <table>
          <thead><tr><th>{t("time")}</th><th>{t("source")}</th><th>{t("reason")}</th><th>{t("field")}</th><th>{t("value")}</th><th>{t("detail")}</th></tr></thead>
          <tbody>
            {(refusals.last ?? []).slice(0, 100).map((r, i) => (
              <tr key={i}>
                <td class="nowrap">{dayTime(ms(r.at))}</td><td>{r.source}</td><td>{refusal(r.reason)}<br /><code>{r.reason}</code></td><td>{r.field}</td><td class="val">{r.value}</td>
                <td>{r.detail}{(r.topic || r.payload) && <details><summary>{r.topic || t("payload")}</summary><pre>{r.payload}</pre></details>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </div>
  );
}
