// The alarm desk. An act is shown at once as "being sent", as done only when the
// server has it, and is taken back, with the reason, when it failed.
import { useEffect, useRef, useState } from "preact/hooks";
import { api, whyNot } from "./api";
import type { AlarmState, Severity } from "./contract";
import { lang, say, t, type Word } from "./i18n";
import { byUrgency, withoutPlace, worstNews } from "./judge";
import { Age, When } from "./pieces";
import { usePrinting } from "./printing";
import { path } from "./route";
import { Mark } from "./severity";
import { chime } from "./sound";
import { came } from "./store";

type Act = "ack" | "assign" | "comment" | "clear";
interface Doing { act: Act; failed?: unknown }

/** One function, so that it runs when the field appears and not at every rendering. */
const focus = (el: HTMLElement | null) => el?.focus();

const SHOWN = 60, CLEARED = 8;
/** A moment behind the raising, ms, at which every screen had the alarm. */
const RAISED_MS = 3000;

export function AlarmDesk({ alarms, chosen, onChoose, sound }: { alarms: ReadonlyMap<string, AlarmState>; chosen: string; onChoose: (a: AlarmState) => void; sound: boolean }) {
  const [doing, setDoing] = useState<Record<string, Doing>>({});
  // What the server answered, until the live topic has caught up with it.
  const [answered, setAnswered] = useState<Record<string, AlarmState>>({});
  const merged = [...alarms.values()].map((a) => {
    const later = answered[a.id];
    return later && later.changed_at > a.changed_at ? later : a;
  });
  const open = merged.filter((a) => a.state !== "cleared").sort(byUrgency);
  const cleared = merged.filter((a) => a.state === "cleared").sort((a, b) => b.changed_at - a.changed_at).slice(0, CLEARED);
  const unacked = open.filter((a) => a.state === "raised");
  const most = usePrinting() ? open.length : SHOWN;

  const known = useRef<ReadonlyMap<string, Severity> | null>(null);
  useEffect(() => {
    if (!came(alarms)) return;
    const news = known.current && worstNews(known.current, unacked);
    if (news && sound) chime(news === "critical");
    known.current = new Map(unacked.map((a) => [a.id, a.severity]));
  });

  const act = async (a: AlarmState, act: Act, body: { to?: string; text?: string } = {}) => {
    setDoing((d) => ({ ...d, [a.id]: { act } }));
    try {
      const now = await api<AlarmState>("POST", `alarms/${encodeURIComponent(a.id)}/${act}`, body);
      if (now?.id) setAnswered((m) => ({ ...Object.fromEntries(Object.entries(m).slice(-50)), [a.id]: now }));
      setDoing(({ [a.id]: _, ...rest }) => rest);
    } catch (e) {
      setDoing((d) => ({ ...d, [a.id]: { act, failed: e } }));
    }
  };

  return (
    <section class="panel alarmdesk" aria-label={t("alarms")}>
      <h2>{t("alarms")} {open.length > 0 && <b class="badge">{unacked.length}/{open.length}</b>}</h2>
      <div aria-live="polite" class="vh">{unacked[0] ? `${t(unacked[0].severity)}: ${say(unacked[0].place)}, ${withoutPlace(say(unacked[0].text), say(unacked[0].place))}` : ""}</div>
      {open.length === 0 && <p class="muted">{t("noAlarms")}</p>}
      <ul>
        {open.slice(0, most).map((a) => (
          <AlarmCard key={a.id} alarm={a} chosen={a.id === chosen} doing={doing[a.id]} onAct={(what, body) => void act(a, what, body)} onChoose={() => onChoose(a)} />
        ))}
      </ul>
      {open.length > most && <p class="muted">+{open.length - most} {t("more")}</p>}
      {cleared.length > 0 && (
        <details>
          <summary>{t("clearedToday")} ({cleared.length})</summary>
          <ul>{cleared.map((a) => <li key={a.id} class="done"><button type="button" class="quiet" title={t("showPlace")} aria-pressed={a.id === chosen} onClick={() => onChoose(a)}><When at={a.changed_at} /> {say(a.place)} · {withoutPlace(say(a.text), say(a.place))}</button></li>)}</ul>
        </details>
      )}
    </section>
  );
}

function AlarmCard({ alarm: a, chosen, doing, onAct, onChoose }: { alarm: AlarmState; chosen: boolean; doing: Doing | undefined; onAct: (act: Act, body?: { to?: string; text?: string }) => void; onChoose: () => void }) {
  const [asking, setAsking] = useState<"" | "assign" | "comment">("");
  const busy = !!doing && !doing.failed;
  const submit = (e: SubmitEvent) => {
    e.preventDefault();
    const form = new FormData(e.currentTarget as HTMLFormElement);
    const value = String(form.get("value") ?? "").trim();
    if (!value || !asking) return;
    onAct(asking, asking === "assign" ? { to: value } : { text: value });
    setAsking("");
  };
  const holder = a.state === "assigned" ? a.assigned_to : a.acknowledged_by;
  return (
    <li class={`alarm ${a.severity} ${a.state} ${chosen ? "chosen" : ""}`} data-alarm={a.id}>
      <button type="button" class="head" onClick={onChoose} title={t("showPlace")} aria-pressed={chosen}>
        <Mark severity={a.severity} />
        <span class="title"><b>{say(a.place)}</b><span>{withoutPlace(say(a.text), say(a.place))}</span></span>
        <span class="times"><When at={a.raised_at} /><Age at={a.raised_at} /></span>
      </button>
      <p class="status">
        <strong class={a.state}>{t(a.state)}</strong>{holder && <span>{holder}</span>}
        {a.exercise && <span class="ex">{t("exercise")}</span>}
        <a class="then" href={`/replay?${new URLSearchParams({ scope: decodeURIComponent(path.value.split("/")[2] ?? ""), at: new Date(a.raised_at + RAISED_MS).toISOString(), alarm: a.id })}`}>{t("replayThen")}</a>
        {busy && <em>{t(doing.act as Word)}: {t("sending")}</em>}
      </p>
      {doing?.failed ? <p class="problem" role="alert">{t("notDone")}: {whyNot(doing.failed)}</p> : null}
      {(a.comments ?? []).slice(-3).map((c) => <p key={c.at} class="said"><When at={c.at} /> <b>{c.by}</b>: {c.text}</p>)}
      {asking ? (
        <form onSubmit={submit} lang={lang.value}>
          <label>{asking === "assign" ? t("assignTo") : t("note")}<input name="value" maxLength={500} required ref={focus} onKeyDown={(e) => { if (e.key === "Escape") setAsking(""); }} /></label>
          <div class="acts"><button type="submit" class="strong">{t("send")}</button><button type="button" onClick={() => setAsking("")}>{t("cancel")}</button></div>
        </form>
      ) : (
        <div class="acts">
          {a.state === "raised" && <button type="button" class="strong" disabled={busy} onClick={() => onAct("ack")}>{t("ack")}</button>}
          <button type="button" disabled={busy} onClick={() => setAsking("assign")}>{t("assign")}</button>
          <button type="button" disabled={busy} onClick={() => setAsking("comment")}>{t("comment")}</button>
          {a.state !== "raised" && <button type="button" disabled={busy} onClick={() => onAct("clear")}>{t("clear")}</button>}
        </div>
      )}
    </li>
  );
}
