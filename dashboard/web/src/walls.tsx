// For whoever looks after the screens: letting a wall in by its code, and how each
// of them fares.
import { useState } from "preact/hooks";
import { api, whyNot } from "./api";
import type { Layout, ScopeInfo, WallInfo } from "./contract";
import { dayTime, num, span } from "./format";
import { lang, say, t } from "./i18n";
import { Age } from "./pieces";
import { Mark } from "./severity";
import { me, now, useFetched, useKept } from "./store";

const EVERY_MS = 15_000;
/** A wall reports each minute; one that missed two has gone. */
const SILENT_MS = 150_000;
/** Behind by more steps than a heartbeat's worth is behind in earnest. */
const BEHIND = 40;
const HEAP_SHARE = 0.5;

export function Walls() {
  const [again, setAgain] = useState(0);
  const round = `${Math.floor(now.value / EVERY_MS)}.${again}`;
  const walls = useKept(useFetched("walls" + round, async (s) => (await api<{ walls: WallInfo[] }>("GET", "walls", undefined, s)).walls));
  const layouts = useFetched("layouts", async (s) => (await api<{ layouts: Layout[] }>("GET", "layouts", undefined, s)).layouts) ?? [];
  const scopes = useFetched("scopes", async (s) => (await api<{ scopes: ScopeInfo[] }>("GET", "units", undefined, s)).scopes) ?? [];
  const scopeName = (id: string) => say(scopes.find((s) => s.id === id)?.name) || (id.length === 2 ? t("wholeScope") : id);
  return (
    <section aria-label={t("walls")} class="wallsection">
      <h2 class="big">{t("walls")}</h2>
      <p class="lead muted">{t("wallsLead")}</p>
      <PairForm layouts={layouts} scopes={[...(me.value?.scopes ?? [])]} nameOf={scopeName} onDone={() => setAgain((n) => n + 1)} />
      {walls?.length === 0 && <p class="panel muted">{t("noWalls")}</p>}
      {!!walls?.length && (
        <div class="panel scroll" tabIndex={0} role="group" aria-label={t("walls")}>
          <table class="walls">
            <thead><tr><th>{t("wallName")}</th><th>{t("scope")}</th><th>{t("layout")}</th><th>{t("state")}</th><th>{t("lastSeen")}</th><th class="n">{t("behindSteps")}</th><th class="n">{t("heap")}</th><th class="n">{t("pictures")}</th><th class="n">{t("uptime")}</th><th><span class="vh">{t("revoke")}</span></th></tr></thead>
            <tbody>{walls.map((w) => <WallRow key={w.id || w.name + w.seen_at} wall={w} layout={layouts.find((l) => l.id === (w.report?.layout || w.layout))} scope={scopeName(w.scope)} onGone={() => setAgain((n) => n + 1)} />)}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function WallRow({ wall: w, layout, scope, onGone }: { wall: WallInfo; layout: Layout | undefined; scope: string; onGone: () => void }) {
  const [asking, setAsking] = useState(false), [problem, setProblem] = useState<unknown>();
  const l = lang.value, r = w.report;
  const silent = !w.seen_at || now.value - w.seen_at > SILENT_MS;
  const full = !!r && r.heap_limit > 0 && r.heap_bytes > HEAP_SHARE * r.heap_limit, late = !!r && (r.behind > BEHIND || r.link !== "live");
  const revoke = async () => {
    try { await api("DELETE", "walls/" + encodeURIComponent(w.id)); onGone(); } catch (e) { setProblem(e); }
  };
  return (
    <tr data-wall={w.id} class={silent ? "gone" : ""}>
      <td><b>{w.name}</b><br /><small>{w.id ? `${w.paired_by} · ${dayTime(w.paired_at)}` : t("session")}</small></td>
      <td>{scope}</td>
      <td>{layout ? say(layout.name) : w.layout}{r?.scene && <><br /><small>{r.scene}</small></>}</td>
      <td class="nowrap">{silent ? <><Mark severity="warning" silent /> {t("wallSilent")}</> : late || full ? <><Mark severity="notice" silent /> {r!.link !== "live" ? t("lost") : late ? t("behindSteps") : t("heap")}</> : t("inStep")}</td>
      <td class="nowrap">{w.seen_at ? <Age at={w.seen_at} ago /> : t("neverSeen")}</td>
      <td class="n nowrap">{r ? (r.behind ? `${num(r.behind, 0, l)} ${t("steps")}` : "0") : "—"}</td>
      <td class="n nowrap">{r?.heap_bytes ? `${num(r.heap_bytes / 1048576, 0, l)} / ${num(r.heap_limit / 1048576, 0, l)} MB` : "—"}</td>
      <td class="n">{r ? num(r.pictures_live, 0, l) : "—"}</td>
      <td class="n nowrap">{r ? span(r.uptime_s * 1000, l) : "—"}</td>
      <td>
        {w.id && (asking
          ? <span class="acts"><span>{t("revokeSure")}</span><button type="button" class="strong" onClick={() => void revoke()}>{t("revoke")}</button><button type="button" onClick={() => setAsking(false)}>{t("cancel")}</button></span>
          : <button type="button" onClick={() => setAsking(true)} aria-label={`${t("revoke")}: ${w.name}`}>{t("revoke")}</button>)}
        {problem ? <p class="problem" role="alert">{whyNot(problem)}</p> : null}
      </td>
    </tr>
  );
}

function PairForm({ layouts, scopes, nameOf, onDone }: { layouts: Layout[]; scopes: string[]; nameOf: (id: string) => string; onDone: () => void }) {
  const [problem, setProblem] = useState<unknown>(), [done, setDone] = useState(""), [busy, setBusy] = useState(false);
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const form = e.currentTarget as HTMLFormElement, data = new FormData(form), of = (k: string) => String(data.get(k) ?? "").trim();
    setBusy(true); setProblem(undefined); setDone("");
    try {
      await api("POST", `pairings/${encodeURIComponent(of("code").replace(/[\s-]/g, "").toUpperCase())}/approve`, { name: of("name"), scope: of("scope"), layout: of("layout") });
      setDone(of("name"));
      form.reset();
      onDone();
    } catch (err) {
      setProblem(err);
    }
    setBusy(false);
  };
  return (
    <form class="panel pairform" onSubmit={submit}>
      <label>{t("pairCode")}<input name="code" class="codeinput" required minLength={6} maxLength={9} autocomplete="off" autocapitalize="characters" spellcheck={false} placeholder="ABC 234" /></label>
      <label>{t("wallName")}<input name="name" required maxLength={80} /></label>
      <label>{t("scope")}<select name="scope">{scopes.map((s) => <option key={s} value={s}>{nameOf(s)}</option>)}</select></label>
      <label>{t("layout")}<select name="layout">{layouts.map((l) => <option key={l.id} value={l.id}>{say(l.name)}</option>)}</select></label>
      <button type="submit" class="strong" disabled={busy}>{t("pair")}</button>
      <p class="problem" role="alert">{problem ? `${t("notDone")}: ${whyNot(problem)}` : ""}</p>
      {done && <p role="status">{t("paired")}: {done}</p>}
    </form>
  );
}
