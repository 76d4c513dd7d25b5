// The pictures kept with an alarm: of the nearest cameras, from a minute before it to
// two minutes after. Each says its own time and how far from the alarm it is.
import { useEffect, useRef, useState } from "preact/hooks";
import { api, whyNot } from "./api";
import type { AlarmState, EvidenceAnswer, EvidencePicture } from "./contract";
import { clock, day, secondsFrom } from "./format";
import { lang, say, t, type Word } from "./i18n";
import { cameraSeverity } from "./judge";
import { Mark } from "./severity";
import { paint } from "./still";
import { now } from "./store";
import "./evidence.css";

/** How often a gathering is asked about, ms, and how long after an alarm its first record may take. */
const POLL_MS = 5_000, BEGINS_MS = 15_000;
const THUMB = 320, BIG = 1920;

const when = (p: EvidencePicture): number => Date.parse(p.at);

export function Evidence({ alarm }: { alarm: AlarmState }) {
  const [answer, setAnswer] = useState<EvidenceAnswer>(), [failed, setFailed] = useState<unknown>();
  const [big, setBig] = useState<number | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      let again = true;
      try {
        const a = await api<EvidenceAnswer>("GET", `alarms/${encodeURIComponent(alarm.id)}/evidence`, undefined, stop.signal);
        if (stop.signal.aborted) return;
        setAnswer(a);
        setFailed(undefined);
        again = a.state === "gathering" || (a.state === "unknown" && now.peek() - alarm.raised_at < BEGINS_MS);
      } catch (e) {
        if (stop.signal.aborted) return;
        setFailed(e);
      }
      if (again) timer = setTimeout(() => void ask(), POLL_MS);
    };
    void ask();
    return () => { stop.abort(); clearTimeout(timer); };
  }, [alarm.id]);

  const pictures = answer?.pictures ?? [];
  const open = pictures.find((p) => p.n === big);
  return (
    <section class="panel evidence" aria-label={t("evidence")} data-evidence={answer?.state}>
      <h2>{t("evidence")}</h2>
      {answer ? <Status answer={answer} /> : !failed && <p class="muted">{t("waiting")}…</p>}
      {failed ? <p class="problem" role="alert">{whyNot(failed)}</p> : null}
      {answer?.cameras.map((c) => (
        <Strip key={c.id} alarm={alarm.id} name={say(c.name)} recorder={c.recorder} gathering={answer.state === "gathering"}
          pictures={pictures.filter((p) => p.camera === c.id).sort((a, b) => a.offset_ms - b.offset_ms)} onOpen={setBig} />
      ))}
      {open && (
        <Large alarm={alarm.id} picture={open} name={say(answer!.cameras.find((c) => c.id === open.camera)?.name) || open.camera}
          row={pictures.filter((p) => p.camera === open.camera).sort((a, b) => a.offset_ms - b.offset_ms)} onShow={setBig} onClose={() => setBig(null)} />
      )}
    </section>
  );
}

/** How the gathering goes, and why pictures are missing. */
function Status({ answer: a }: { answer: EvidenceAnswer }) {
  return (
    <div class="evstatus" role="status">
      {a.state === "gathering" && a.until !== null && <p><i class="pulse" aria-hidden="true" />{t("evGathering")} {clock(a.until)}</p>}
      {a.state === "interrupted" && <p>{t("evInterrupted")}</p>}
      {a.state === "unknown" && a.pictures.length === 0 && <p class="muted">{t("evUnknown")}</p>}
      {a.why && <p class="muted">{t(("why_" + a.why) as Word)}</p>}
      {a.gaps.map((g) => <p key={g.from} class="muted">{t("evGap")} {clock(g.from)} {t("evTo")} {clock(g.to)}</p>)}
    </div>
  );
}

function Strip({ alarm, name, recorder, gathering, pictures, onOpen }: { alarm: string; name: string; recorder: string; gathering: boolean; pictures: EvidencePicture[]; onOpen: (n: number) => void }) {
  const row = useRef<HTMLUListElement>(null), placed = useRef(false);
  const [at, setAt] = useState<number | null>(null);
  // The moment of the alarm is what is looked for first.
  const moment = Math.max(0, pictures.findIndex((p) => p.offset_ms >= 0));
  useEffect(() => {
    const there = row.current?.children[moment] as HTMLElement | undefined;
    if (placed.current || !there) return;
    placed.current = true;
    row.current!.scrollLeft = there.offsetLeft - row.current!.offsetLeft - row.current!.clientWidth / 3;
  });
  // One stop for the tab key in each row; arrows go along it.
  const stop = pictures.some((p) => p.n === at) ? at : pictures[moment]?.n;
  const move = (e: KeyboardEvent) => {
    const i = pictures.findIndex((p) => p.n === stop);
    const to = { ArrowLeft: i - 1, ArrowRight: i + 1, Home: 0, End: pictures.length - 1 }[e.key];
    const p = to === undefined ? undefined : pictures[to];
    if (!p) return;
    e.preventDefault();
    setAt(p.n);
    (row.current?.children[to!]?.firstElementChild as HTMLElement | null)?.focus();
  };
  return (
    <div class="strip">
      <h3>{name}{/^https?:\/\//.test(recorder) && <a href={recorder} target="_blank" rel="noopener noreferrer">{t("recorder")}</a>}</h3>
      {pictures.length === 0 ? <p class="muted">{t(gathering ? "evNoneYet" : "evNone")}</p> : (
        <ul ref={row} onKeyDown={move} aria-label={name}>
          {pictures.map((p) => (
            <li key={p.n}>
              <button type="button" class={`frame ${p.offset_ms < 0 ? "before" : ""}`} tabIndex={p.n === stop ? 0 : -1} aria-label={describe(name, p)} onClick={() => { setAt(p.n); onOpen(p.n); }}>
                <Still alarm={alarm} picture={p} width={THUMB} />
                {p.state !== "live" && <span class="state"><Mark severity={cameraSeverity(p.state)} silent />{t(("cam_" + p.state) as Word)}</span>}
                <time dateTime={p.at}>{clock(when(p))}</time><b>{secondsFrom(p.offset_ms, lang.value)}</b>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** In words. That a camera was live then is no word beside a picture of the past. */
const describe = (name: string, p: EvidencePicture): string => `${name}, ${clock(when(p))}, ${secondsFrom(p.offset_ms, lang.value)}${p.state === "live" ? "" : ", " + t(("cam_" + p.state) as Word)}`;

/** One picture; it is fetched when it comes into view. */
function Still({ alarm, picture, width }: { alarm: string; picture: EvidencePicture; width: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [done, setDone] = useState<boolean>();
  useEffect(() => {
    const stop = new AbortController();
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((e) => e.isIntersecting)) return;
      seen.disconnect();
      void paint(alarm, picture, canvas.current!, width, stop.signal).then((ok) => { if (!stop.signal.aborted) setDone(ok); });
    });
    seen.observe(canvas.current!);
    return () => { stop.abort(); seen.disconnect(); };
  }, [alarm, picture.n, width]);
  return <span class="still" data-painted={done}><canvas ref={canvas} aria-hidden="true" />{!done && <em>{done === undefined ? t("evLoading") : t("evBroken")}</em>}</span>;
}

/** One picture large; arrows go to the camera's others. */
function Large({ alarm, picture, name, row, onShow, onClose }: { alarm: string; picture: EvidencePicture; name: string; row: EvidencePicture[]; onShow: (n: number) => void; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => { dialog.current?.showModal(); }, []);
  const i = row.findIndex((p) => p.n === picture.n);
  const show = (to: number) => { const p = row[to]; if (p) onShow(p.n); };
  const move = (e: KeyboardEvent) => {
    const to = { ArrowLeft: i - 1, ArrowRight: i + 1, Home: 0, End: row.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    show(to);
  };
  return (
    <dialog ref={dialog} class="evlarge" onClose={onClose} onKeyDown={move} aria-label={describe(name, picture)}>
      <header>
        <h2>{name}</h2>
        <span><time dateTime={picture.at}>{day(when(picture))} {clock(when(picture))}</time> · <b>{secondsFrom(picture.offset_ms, lang.value)}</b>{picture.state !== "live" && <> · <Mark severity={cameraSeverity(picture.state)} silent />{t(("cam_" + picture.state) as Word)}</>}</span>
        <button type="button" onClick={() => dialog.current?.close()}>{t("close")}</button>
      </header>
      <Still key={picture.n} alarm={alarm} picture={picture} width={BIG} />
      <footer>
        <button type="button" disabled={i <= 0} onClick={() => show(i - 1)}>← {t("evEarlier")}</button>
        <span class="muted">{i + 1}/{row.length}</span>
        <button type="button" disabled={i >= row.length - 1} onClick={() => show(i + 1)}>{t("evLater")} →</button>
      </footer>
    </dialog>
  );
}
