// Publishing the figures of a report period, with what it will do said before it is
// done: the act cannot be taken back, only followed by a revision.
import { useEffect, useRef, useState } from "preact/hooks";
import { api, whyNot, type Problem } from "./api";
import { lang, t } from "./i18n";
import { isoDay, periodOf, stepName } from "./periods";
import { now } from "./store";

interface Published { figures: { revision: number }[]; unchanged: number }

export function PublishDialog({ metric, name, step, starts, units, unitNames, agg, cumulative, onDone, onClose }: {
  metric: string; name: string; step: string; starts: number[]; units: string[]; unitNames: string[]; agg: string; cumulative: string; onDone: () => void; onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => { dialog.current?.showModal(); }, []);
  const l = lang.value;
  const over = starts.filter((_, i) => (starts[i + 1] ?? Infinity) <= now.peek()).reverse();
  const [at, setAt] = useState(over[0]), [what, setWhat] = useState<"all" | "chosen">("all");
  const [sure, setSure] = useState(false), [busy, setBusy] = useState(false), [said, setSaid] = useState(""), [problem, setProblem] = useState<unknown>(), [needsReason, setNeedsReason] = useState(false);
  const [reason, setReason] = useState("");
  const send = async (e: SubmitEvent) => {
    e.preventDefault();
    if (!sure) { setSure(true); return; }
    setBusy(true); setProblem(undefined); setSaid("");
    try {
      const done = await api<Published>("POST", "publications", {
        metrics: [metric], period: periodOf(step), on: isoDay(at! + 12 * 3_600_000), ...(what === "chosen" ? { of: ["unit"], units } : {}),
        ...(agg ? { agg } : {}), ...(cumulative ? { cumulative } : {}), ...(reason.trim() ? { reason: reason.trim() } : {}),
      });
      const revised = done.figures.filter((f) => f.revision > 1).length;
      setSaid(`${t("publishedDone")}: ${done.figures.length}${revised ? ` (${t("revised")} ${revised})` : ""}${done.unchanged ? `; ${t("unchanged")}: ${done.unchanged}` : ""}`);
      onDone();
    } catch (e) {
      if ((e as Problem).code === "unchanged") setSaid(whyNot(e));
      else setProblem(e);
      if ((e as Problem).code === "needs_reason") setNeedsReason(true);
    }
    setBusy(false); setSure(false);
  };
  return (
    <dialog ref={dialog} class="why publish" onClose={onClose} aria-label={t("publish")}>
      <header><h2>{t("publish")}: {name}</h2><button type="button" onClick={() => dialog.current?.close()}>{t("close")}</button></header>
      {over.length === 0 ? <p class="muted">{t("noPeriodOver")}</p> : (
        <form onSubmit={(e) => void send(e)}>
          <label>{t("period")}<select value={String(at)} onChange={(e) => { setAt(+e.currentTarget.value); setSure(false); }}>{over.map((ms) => <option key={ms} value={String(ms)}>{stepName(step, ms, l)}</option>)}</select></label>
          <label>{t("publishOf")}<select value={what} onChange={(e) => { setWhat(e.currentTarget.value as "all" | "chosen"); setSure(false); }}>
            <option value="all">{t("publishAll")}</option>
            {units.length > 0 && <option value="chosen">{t("publishChosen")}: {unitNames.join(", ")}</option>}
          </select></label>
          <label>{t("reason")}{needsReason ? " *" : ` (${t("ifCorrected")})`}<textarea rows={2} maxLength={2000} required={needsReason} value={reason} onInput={(e) => setReason(e.currentTarget.value)} /></label>
          <p class="muted">{t("publishLead")}</p>
          {sure && <p class="confirm" role="alert">{t("publishSure")} <b>{name}, {stepName(step, at!, l)}</b>?</p>}
          <div class="acts"><button type="submit" class="strong" disabled={busy}>{busy ? t("sending") : sure ? t("publishYes") : t("publish")}</button>{sure && <button type="button" class="quiet" onClick={() => setSure(false)}>{t("cancel")}</button>}</div>
        </form>
      )}
      {said && <p role="status">{said}</p>}
      {problem ? <p class="problem" role="alert">{whyNot(problem)}</p> : null}
    </dialog>
  );
}
