// What a duty officer has beside the alarms: whom to call, what to check, and
// handing the shift over.
import { useEffect, useRef, useState } from "preact/hooks";
import { api, whyNot } from "./api";
import type { AlarmState, Checklist, Contact, Handover, ScopeState } from "./contract";
import { lang, say, t } from "./i18n";
import { byUrgency, ORDER, withoutPlace } from "./judge";
import { When } from "./pieces";
import { Mark } from "./severity";
import { me, useFetched } from "./store";

interface Book { contacts: Contact[]; checklists: Checklist[] }

/** What a ticked step says on its alarm; always in Vietnamese, so that both languages find it again. The server knows its beginning, alarm.Done. */
const said = (step: Checklist["steps"][number]) => `Đã làm: ${step.vi}`;

/** Roles that may act; the others read. */
export const acts = (): boolean => ["duty", "district", "operator"].includes(me.value?.role ?? "");

/** The domains that a rule's alarm concerns, to put the fitting lines first. */
const CONCERNS: Record<string, string[]> = {
  water_level: ["disaster", "weather"], rain: ["disaster", "weather"], soil_moisture: ["disaster", "weather"], wind_speed: ["disaster", "weather"],
  fire_alarm: ["disaster"], pm25: ["environment"], pm10: ["environment"], camera_state: ["system", "traffic", "security"],
};

export function DutyBook({ scope, alarm }: { scope: string; alarm: AlarmState | undefined }) {
  const book = useFetched("contacts/" + scope, (signal) => api<Book>("GET", "contacts?scope=" + encodeURIComponent(scope), undefined, signal));
  const lists = alarm ? (book?.checklists ?? []).filter((l) => l.rules.includes(alarm.rule) && ORDER[alarm.severity] >= ORDER[l.severity]) : [];
  const wanted = CONCERNS[alarm?.metric ?? ""] ?? [];
  const weight = (c: Contact) => (c.units.length ? 2 : 0) + (c.for.some((d) => wanted.includes(d)) ? 4 : 0);
  const lines = [...(book?.contacts ?? [])].sort((a, b) => weight(b) - weight(a));
  return (
    <>
      <section class="panel checklists" aria-label={t("checklist")}>
        <h2>{t("checklist")}</h2>
        {lists.length === 0 && <p class="muted">{t("noChecklist")}</p>}
        {alarm && lists.map((l) => <Steps key={alarm.id + l.id} list={l} alarm={alarm} />)}
      </section>
      <section class="panel phones" aria-label={t("phones")}>
        <h2>{t("phones")}</h2>
        <ul>
          {lines.map((c) => (
            <li key={c.phone + c.name.vi} class={weight(c) >= 4 ? "fits" : ""}><span>{say(c.name)}</span><a href={"tel:" + c.phone.replace(/[^+\d]/g, "")}>{c.phone}</a></li>
          ))}
        </ul>
      </section>
    </>
  );
}

function Steps({ list, alarm }: { list: Checklist; alarm: AlarmState }) {
  const [busy, setBusy] = useState(""), [problem, setProblem] = useState<unknown>();
  const done = new Map((alarm.comments ?? []).map((c) => [c.text, c]));
  const tick = async (words: string) => {
    setBusy(words); setProblem(undefined);
    try { await api("POST", `alarms/${encodeURIComponent(alarm.id)}/comment`, { text: words }); } catch (e) {
      setProblem(e);
    }
    setBusy("");
  };
  return (
    <fieldset class="steps">
      <legend>{say(list.name)} · {say(alarm.place)}</legend>
      {list.steps.map((s) => {
        const c = done.get(said(s));
        return (
          <label key={s.vi}>
            <input type="checkbox" checked={!!c} disabled={!!c || busy === said(s) || !acts()} onChange={() => void tick(said(s))} />
            <span>{say(s)}{c && <small> {c.by} · <When at={c.at} /></small>}{busy === said(s) && <small> {t("sending")}</small>}</span>
          </label>
        );
      })}
      {problem ? <p class="problem" role="alert">{t("notDone")}: {whyNot(problem)}</p> : null}
    </fieldset>
  );
}

/** The shift's summary: what is open, with the words for the next one. */
export function HandoverDialog({ scope, about, alarms, onClose }: { scope: string; about: ScopeState | undefined; alarms: ReadonlyMap<string, AlarmState>; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false), [problem, setProblem] = useState<unknown>(), [done, setDone] = useState<Handover | null>(null);
  const before = useFetched(`handovers/${scope}/${done?.id ?? ""}`, async (signal) => (await api<{ handovers: Handover[] }>("GET", "handovers?scope=" + encodeURIComponent(scope), undefined, signal)).handovers) ?? [];
  useEffect(() => { dialog.current?.showModal(); }, []);
  const open = [...alarms.values()].filter((a) => a.state !== "cleared").sort(byUrgency);
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const data = new FormData(e.currentTarget as HTMLFormElement);
    setBusy(true); setProblem(undefined);
    try {
      setDone(await api<Handover>("POST", "handovers", { scope, to: String(data.get("to")), note: String(data.get("note")) }));
    } catch (err) {
      setProblem(err);
    }
    setBusy(false);
  };
  return (
    <dialog ref={dialog} class="handover" onClose={onClose} aria-label={t("handOver")}>
      <header><h2>{t("handOver")}: {about ? say(about.name) : ""}</h2><button type="button" onClick={() => print()}>{t("print")}</button><button type="button" onClick={() => dialog.current?.close()}>{t("close")}</button></header>
      <section aria-label={t("handOpen")}>
        <h3>{open.length} {t("handOpen")}</h3>
        {open.length === 0 ? <p class="muted">{t("noOpen")}</p> : (
          <div class="scroll" tabIndex={0} role="group" aria-label={t("handOpen")}>
            <table><tbody>
              {open.map((a) => <tr key={a.id}><td><Mark severity={a.severity} /></td><td class="nowrap"><When at={a.raised_at} /></td><td><b>{say(a.place)}</b> {withoutPlace(say(a.text), say(a.place))}</td><td>{t(a.state)}{(a.assigned_to || a.acknowledged_by) && `: ${a.assigned_to || a.acknowledged_by}`}</td></tr>)}
            </tbody></table>
          </div>
        )}
      </section>
      {done ? <p role="status" class="handed">{t("handed")}: <b>{done.to}</b> · <When at={done.at} /></p> : acts() && (
        <form onSubmit={submit} lang={lang.value}>
          <label>{t("handTo")}<input name="to" required maxLength={200} /></label>
          <label>{t("handNote")}<textarea name="note" rows={3} maxLength={2000} /></label>
          {problem ? <p class="problem" role="alert">{t("notDone")}: {whyNot(problem)}</p> : null}
          <button type="submit" class="strong" disabled={busy}>{t("handOver")}</button>
        </form>
      )}
      <section aria-label={t("lastHand")}>
        <h3>{t("lastHand")}</h3>
        {before.length === 0 && <p class="muted">{t("noHand")}</p>}
        <ul class="hands">{before.slice(0, 8).map((h) => <li key={h.id}><When at={h.at} /> <b>{h.by}</b> → <b>{h.to}</b> · {h.open} {t("handOpen")}{h.note && <p>{h.note}</p>}</li>)}</ul>
      </section>
    </dialog>
  );
}
