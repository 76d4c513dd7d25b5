// The wall as it was: the same pieces as the live wall's, moved by the clock of a
// replay. The whole page is framed and says so, that nobody takes it for live.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api } from "./api";
import { socketURL } from "./socket";
import type { AlarmState, ReplayAnswer, ReplayClock } from "./contract";
import { clock as clockWords, day, hourMinute, moment, share } from "./format";
import { lang, say, t, type Word } from "./i18n";
import { ORDER } from "./judge";
import { known, learn } from "./kept";
import { LiveClient } from "./live";
import { go, query } from "./route";
import { COLOUR, SHAPE } from "./severity";
import { beat, denied, heard, link, me, now, replayInstead, replaying, useFetched, useKept, useTopic } from "./store";
import { clampTo, fromLocal, percent, ticks, toLocal, visible, windowOf, type Range } from "./timeline";
import { WallView } from "./wall";
import "./replay.css";

const MINUTE = 60_000, HOUR = 60 * MINUTE;
const EVERY_MS = 10_000;
/** Without a moment in the address: so long before the newest. */
const BEFORE_MS = 5 * MINUTE;
const SPANS: [number, Word | string][] = [[HOUR, "1 h"], [6 * HOUR, "6 h"], [24 * HOUR, "24 h"], [7 * 24 * HOUR, "7 d"], [0, "replayAll"]];
const MARKS = 120;
const NOTE_MS = 8_000;

export default function Replay() {
  const scope = query.value.get("scope") || me.value?.scope || "";
  const round = `replay${useRound(EVERY_MS)}`;
  const answer = useKept(useFetched(round, (signal) => api<ReplayAnswer>("GET", "replay", undefined, signal).catch((e) => {
    if (e.status === 404) return { recording: false, why: "off", keep_ms: 0, now: 0, speeds: [1], scopes: [] } as ReplayAnswer;
    throw e;
  })));
  const kept = answer?.scopes.find((s) => s.scope === scope);
  useEffect(() => {
    let current = true;
    const ask = () => api<{ alarms: Record<string, AlarmState> }>("GET", "alarms?scope=" + encodeURIComponent(scope)).then(
      (a) => { if (current) learn(Object.entries(a.alarms).map(([id, v]) => ({ ...v, id }))); }, () => { /* the next round asks again */ });
    void ask();
    const timer = setInterval(ask, 6 * EVERY_MS);
    return () => { current = false; clearInterval(timer); known.value = []; };
  }, [scope]);
  if (!kept) {
    return (
      <div class="replay">
        <Band words={t("replayNot")} />
        <main class="replaynone">
          <h1>{t("replay")}</h1>
          <p>{!answer ? t("waiting") + "…" : answer.why === "off" ? t("replayOff") : t("replayNothing")}</p>
          <p><a class="button" href="/wall">{t("replayBack")}</a></p>
        </main>
      </div>
    );
  }
  return <Playing key={scope} scope={scope} answer={answer!} kept={kept} />;
}

/** A number that goes up every so often. */
function useRound(ms: number): number {
  const [n, set] = useState(0);
  useEffect(() => { const timer = setInterval(() => set((x) => x + 1), ms); return () => clearInterval(timer); }, [ms]);
  return n;
}

function Band({ words, at }: { words: string; at?: number }) {
  return (
    <div class="replayband" role="status" aria-live="off">
      <strong>{t("replayBand")}</strong>
      {at !== undefined && <time dateTime={new Date(at).toISOString()}>{clockWords(at)} {day(at)}</time>}
      <span>{words}</span>
    </div>
  );
}

type Kept = ReplayAnswer["scopes"][number];

function Playing({ scope, answer, kept }: { scope: string; answer: ReplayAnswer; kept: Kept }) {
  const [clock, setClock] = useState<ReplayClock>();
  const [note, setNote] = useState(""), [refused, setRefused] = useState("");
  const [span, setSpan] = useState(HOUR);
  const at = useRef(0), held = useRef(kept);
  held.current = kept;
  const begin = useMemo(() => {
    const wanted = Date.parse(query.value.get("at") ?? "");
    // Unasked, not in a time of which nothing is kept.
    const from = Number.isFinite(wanted) ? wanted : Math.max(kept.newest - BEFORE_MS, kept.ranges[kept.ranges.length - 1]?.[0] ?? 0);
    const to = clampTo(from, kept.oldest, kept.newest);
    if (Number.isFinite(wanted) && Math.abs(to - wanted) > 10_000) setNote(t("replayNotKept"));
    return to;
  }, []);
  const client = useMemo(() => {
    at.current = begin;
    now.value = begin;
    return new LiveClient({
      url: () => socketURL(`replay/live?scope=${encodeURIComponent(scope)}&at=${encodeURIComponent(new Date(at.current).toISOString())}`),
      onLink: (state) => { link.value = state; },
      onHeartbeat: () => { beat.value++; },
      // It tries again, of a moment that is gone with what is the nearest by then.
      onRefused: (_, reason) => {
        if (reason === "not_kept") at.current = clampTo(at.current, held.current.oldest, held.current.newest);
        void import("./problems").then((words) => setRefused(words.ofCode(reason, lang.value)), () => { /* the link's own word stands */ });
      },
      onError: (topic, code) => {
        if (topic) denied.value = { ...denied.value, [topic]: code };
        else setNote(code === "not_kept" ? t("replayNotKept") : code === "outside_scope" ? t("replayOutside") : code === "damaged" ? t("replayDamaged") : code);
      },
      onOther: (m) => {
        if (m?.type !== "replay") return;
        const c = m as ReplayClock;
        at.current = Date.parse(c.at);
        now.value = at.current;
        heard.value = at.current;
        setClock(c);
        if (c.skipped) setNote(`${t("replaySkipped")}: ${stamp(Date.parse(c.skipped.from), now.value)} – ${stamp(Date.parse(c.skipped.until), now.value)}`);
      },
    });
  }, []);
  useEffect(() => replayInstead(client), [client]);
  // The present keeps the newest alarms only; a recording has those of its own time.
  const then = useTopic<AlarmState>("alarms/" + scope);
  useEffect(() => { if (replaying.value) learn(then.values()); });
  // A link that breaks comes back paused; what was playing goes on.
  const playing = useRef({ playing: false, speed: 1 });
  useEffect(() => {
    if (link.value !== "live") return;
    setRefused("");
    if (playing.current.speed !== 1) client.command({ type: "speed", speed: playing.current.speed });
    if (playing.current.playing) client.command({ type: "play" });
  }, [link.value]);
  useEffect(() => {
    if (!note) return;
    const timer = setTimeout(() => setNote(""), NOTE_MS);
    return () => clearTimeout(timer);
  }, [note]);

  const newest = Math.max(kept.newest, at.current);
  const seek = (to: number) => {
    const there = clampTo(to, kept.oldest, newest);
    if (Math.abs(there - to) > 1000 && (to < kept.oldest || to > newest + MINUTE)) setNote(t("replayNotKept"));
    client.command({ type: "seek", at: new Date(there).toISOString() });
    const next = new URLSearchParams(query.value);
    next.set("scope", scope);
    next.set("at", new Date(there).toISOString());
    go("/replay?" + next, true);
  };
  const toggle = () => {
    playing.current.playing = !clock?.playing;
    client.command({ type: clock?.playing ? "pause" : "play" });
  };
  const faster = (speed: number) => {
    playing.current.speed = speed;
    client.command({ type: "speed", speed });
  };
  const keys = useRef<(e: KeyboardEvent) => void>(() => {});
  keys.current = (e) => {
    const el = e.target as HTMLElement;
    if (e.defaultPrevented || e.altKey || e.ctrlKey || e.metaKey || el.closest?.("input, select, textarea, dialog")) return;
    if (e.key === " " && !el.closest?.("button, a")) toggle();
    else if (e.key === "ArrowLeft") seek(at.current - MINUTE);
    else if (e.key === "ArrowRight") seek(at.current + MINUTE);
    else return;
    e.preventDefault();
  };
  useEffect(() => {
    const on = (e: KeyboardEvent) => keys.current(e);
    addEventListener("keydown", on);
    return () => removeEventListener("keydown", on);
  }, []);

  const stage = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState<[number, number]>([innerWidth, innerHeight]);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setSize([Math.round(entry!.contentRect.width), Math.round(entry!.contentRect.height)]));
    watch.observe(stage.current!);
    return () => watch.disconnect();
  }, []);
  const small = innerWidth <= 900 || innerWidth < innerHeight;
  const gap = clock?.gap;
  const stopped = answer.why === "disk" ? t("replayDisk") : answer.why === "write" ? t("replayWrite") : "";
  useEffect(() => {
    document.title = `${t("replayBand")} ${clockWords(at.current)} · ${t("product")}`;
  });
  return (
    <div class="replay" data-replay={clock?.playing ? "playing" : "paused"} lang={lang.value}>
      <Band words={t("replayNot")} at={now.value} />
      <div class="replaystage" ref={stage}>
        {replaying.value && <WallView size={small ? [innerWidth, innerHeight] : size} />}
        {gap && (
          <div class="replaygap" role="alert">
            <h2>{t("replayGap")}</h2>
            <p>{stamp(Date.parse(gap.from), now.value)} – {stamp(Date.parse(gap.until), now.value)}</p>
            <p>{t("replayGapWhy")}</p>
          </div>
        )}
      </div>
      <footer class="replaybar" aria-label={t("replay")}>
        <div class="replaykeys">
          <button type="button" onClick={() => seek(at.current - MINUTE)} aria-label={t("replayMinus")} title={t("replayMinus")}>−1′</button>
          <button type="button" class="strong play" onClick={toggle} title={t("replayKeys")}>
            <svg viewBox="0 0 20 20" aria-hidden="true"><path d={clock?.playing ? "M5 3h4v14H5zM11 3h4v14h-4z" : "M5 2.5 17 10 5 17.5z"} /></svg>
            {clock?.playing ? t("replayPause") : t("replayPlay")}
          </button>
          <button type="button" onClick={() => seek(at.current + MINUTE)} aria-label={t("replayPlus")} title={t("replayPlus")}>+1′</button>
          <label class="inline"><span class="vh">{t("replaySpeed")}</span>
            <select aria-label={t("replaySpeed")} value={String(clock?.speed ?? 1)} onChange={(e) => faster(Number(e.currentTarget.value))}>
              {answer.speeds.map((s) => <option key={s} value={s}>{s}×</option>)}
            </select>
          </label>
          <Jump at={now.value} onGo={seek} />
          <label class="inline"><span class="vh">{t("replayWindow")}</span>
            <select aria-label={t("replayWindow")} value={String(span)} onChange={(e) => setSpan(Number(e.currentTarget.value))}>
              {SPANS.map(([ms, word]) => <option key={ms} value={ms}>{ms ? spanWord(word) : t("replayAll")}</option>)}
            </select>
          </label>
          <p class="replaynote" role="status">{refused || note || (clock?.end && clock.playing ? t("replayEnd") : stopped)}</p>
          <a class="button" href={"/wall?scope=" + encodeURIComponent(scope)}>{t("replayBack")}</a>
        </div>
        <Timeline kept={kept} at={now.value} newest={newest} span={span} onSeek={seek} />
      </footer>
    </div>
  );
}

/** To the second, with the day when it is another than now's. */
const stamp = (ms: number, at: number): string => (day(ms) === day(at) ? "" : day(ms) + " ") + clockWords(ms);
const spanWord = (word: string): string => (lang.value === "vi" ? word.replace(" h", " giờ").replace(" d", " ngày") : word);

/** A date and a time of Vietnam to go to; it follows the replay until somebody writes in it. */
function Jump({ at, onGo }: { at: number; onGo: (to: number) => void }) {
  const [own, setOwn] = useState<string | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const submit = (e: SubmitEvent) => {
    e.preventDefault();
    const to = own === null ? at : fromLocal(own);
    if (to === null) {
      field.current!.setCustomValidity(t("replayForm"));
      field.current!.reportValidity();
      return;
    }
    onGo(to);
    setOwn(null);
  };
  return (
    <form class="jump" onSubmit={submit}>
      <label class="inline"><span class="vh">{t("replayWhen")}</span>
        {/* Not the browser's own field: that writes dates as its own language does. */}
        <input ref={field} inputMode="numeric" autocomplete="off" aria-label={t("replayWhen")} title={t("replayWhen")} value={own ?? toLocal(at)}
          onInput={(e) => { e.currentTarget.setCustomValidity(""); setOwn(e.currentTarget.value); }} />
      </label>
      <button type="submit">{t("replayGo")}</button>
    </form>
  );
}

function Timeline({ kept, at, newest, span, onSeek }: { kept: Kept; at: number; newest: number; span: number; onSeek: (to: number) => void }) {
  const bar = useRef<HTMLDivElement>(null);
  const over: Range = windowOf(at, span, kept.oldest, newest);
  const x = (ms: number) => `${percent(ms, over)}%`;
  const wide = ([a, b]: Range) => ({ left: x(a), width: `${percent(b, over) - percent(a, over)}%` });
  const long = over[1] - over[0] > 20 * HOUR;
  const alarms = known.value.filter((a) => a.raised_at >= over[0] && a.raised_at <= over[1])
    .sort((a, b) => ORDER[b.severity] - ORDER[a.severity] || b.raised_at - a.raised_at).slice(0, MARKS).reverse();
  const press = (e: PointerEvent) => {
    if ((e.target as Element).closest("button")) return;
    const box = bar.current!.getBoundingClientRect();
    onSeek(over[0] + ((e.clientX - box.left) / box.width) * (over[1] - over[0]));
  };
  return (
    <div class="timeline" ref={bar} onPointerDown={press}>
      <div class="track" role="slider" tabIndex={0} aria-label={t("replayTimeline")} aria-valuemin={over[0]} aria-valuemax={over[1]} aria-valuenow={at} aria-valuetext={`${clockWords(at)} ${day(at)}`}>
        {visible(kept.ranges.map(([a, b], i) => (i === kept.ranges.length - 1 ? [a, Math.max(b, newest)] as const : [a, b] as const)), over).map((r) => <i key={r[0]} class="has" style={wide(r)} title={t("replayKept")} />)}
        {visible(kept.gaps, over).map((r) => <i key={r[0]} class="gap" style={wide(r)} title={`${t("replayGap")}: ${stamp(r[0], at)} – ${stamp(r[1], at)}`} />)}
        <i class="here" style={{ left: x(at) }} />
      </div>
      {alarms.map((a) => (
        <button key={a.id} type="button" class="alarmat" style={{ left: x(a.raised_at) }} onClick={() => onSeek(a.raised_at + 3000)} data-alarm={a.id}
          aria-label={`${t(a.severity)}, ${moment(a.raised_at, at)}, ${say(a.place)}`} title={`${moment(a.raised_at, at)} ${say(a.place)}: ${say(a.text)}`}>
          <svg viewBox="0 0 20 20" aria-hidden="true"><path d={SHAPE[a.severity]} fill={COLOUR[a.severity]} /></svg>
        </button>
      ))}
      <div class="scale" aria-hidden="true">{ticks(over, 8).map((ms) => { const p = percent(ms, over); return p > 3 && p < 97 ? <span key={ms} style={{ left: `${p}%` }}>{long ? moment(ms, 0) : hourMinute(ms)}</span> : null; })}</div>
      {known.value.length > 0 && alarms.length === MARKS && <span class="vh">{share(MARKS, known.value.length, lang.value)}</span>}
    </div>
  );
}
