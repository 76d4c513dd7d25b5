// Small pieces that every page uses.
import type { ComponentChildren } from "preact";
import { moment, clock, span } from "./format";
import { lang, switchLang, t } from "./i18n";
import { beat, dead, heard, link, me, now, replaying, unfetched } from "./store";
import { api, whyNot } from "./api";
import { path } from "./route";

/** How old something is. It alone follows the clock, so that nothing else must. */
export function Age({ at, ago }: { at: number | null | undefined; ago?: boolean }) {
  if (!at) return <span class="age">—</span>;
  const text = span(now.value - at, lang.value);
  return <time class="age" dateTime={new Date(at).toISOString()}>{ago ? (lang.value === "vi" ? `${text} ${t("ago")}` : `${text} ${t("ago")}`) : text}</time>;
}

/** A moment of today or another day. */
export const When = ({ at }: { at: number }) => <time dateTime={new Date(at).toISOString()}>{moment(at, now.value)}</time>;

export const Clock = () => <time class="clock">{clock(now.value)}</time>;

/** The proof that the link is alive: it pulses with each heartbeat and names its own death. */
export function LiveMark() {
  const state = link.value;
  if (replaying.value) return <span class="livemark past">{t("replay")}</span>;
  if (state === "live") return <span class="livemark" role="status"><i key={beat.value} class="pulse" aria-hidden="true" />{t("live")}</span>;
  const word = state === "connecting" ? t("connecting") : state === "signin" ? t("signin") : state === "refused" ? t("refused") : t("lost");
  return <span class={`livemark ${state === "connecting" ? "" : "off"}`} role="status"><i class="ring" aria-hidden="true" />{word}</span>;
}

/** Says across the page that nothing on it is live, and since when; or that nothing new is being taken. */
export function LostBand({ held }: { held?: string }) {
  if (!dead.value) return held ? <div class="lostband held" role="alert"><strong>{t("held")}</strong><span>{t("heldWhy")}</span></div> : null;
  return (
    <div class="lostband" role="alert">
      <strong>{link.value === "signin" ? t("signin") : link.value === "refused" ? t("refused") : t("lost")}</strong>
      {heard.value > 0 && <span>{t("lostSince")} {clock(heard.value)} · <Age at={heard.value} ago /></span>}
      {link.value === "signin" && <a href={"/login?next=" + encodeURIComponent(path.value)}>{t("signIn")}</a>}
    </div>
  );
}

/** Says that a part of the page is missing, and why. */
export function NotFetched() {
  const [why] = unfetched.value.values();
  return unfetched.value.size ? <p class="problem notfetched" role="status">{t("notFetched")}: {whyNot(why)}</p> : null;
}

export const LangButton = () => (
  <button type="button" class="quiet" lang={lang.value === "vi" ? "en" : "vi"} onClick={switchLang}>{t("otherLang")}</button>
);

/** The frame of the desk pages: banner, navigation, content. */
export function Desk({ title, children, tools, held }: { title: string; children: ComponentChildren; tools?: ComponentChildren; held?: string }) {
  const who = me.value;
  const links: [string, string, boolean][] = [
    ["/wall", t("wall"), true],
    ["/district/" + (who?.scope ?? ""), t("duty"), true],
    ["/explore", t("explore"), true],
    ["/replay", t("replay"), true],
    ["/devices", t("system"), who?.role === "operator" || who?.role === "duty"],
  ];
  return (
    <div class={`desk ${dead.value ? "dead" : ""}`}>
      <a class="skip" href="#content">{t("skip")}</a>
      <header>
        <span class="brand">{t("product")}</span>
        <nav aria-label={t("pages")}>
          {links.filter((l) => l[2]).map(([href, word]) => (
            <a href={href} aria-current={path.value.split("/")[1] === href.split("/")[1] ? "page" : undefined}>{word}</a>
          ))}
        </nav>
        <span class="grow" />
        {tools}
        <LiveMark />
        <Clock />
        <LangButton />
        <button type="button" class="quiet" onClick={() => { api("DELETE", "session").catch(() => {}).then(() => location.assign("/login")); }}>{t("signOut")}</button>
      </header>
      <LostBand held={held} />
      <main id="content" tabIndex={-1}>
        <h1>{title}</h1>
        <NotFetched />
        {children}
      </main>
    </div>
  );
}

/** A line of the last values; gaps stay gaps. */
export function Spark({ points }: { points: [number, number | null][] | null | undefined }) {
  const real = (points ?? []).filter((p): p is [number, number] => p[1] !== null);
  if (!points || real.length < 2) return <svg class="spark" viewBox="0 0 100 30" aria-hidden="true" />;
  const t0 = points[0]![0], t1 = points[points.length - 1]![0];
  let lo = Infinity, hi = -Infinity;
  for (const [, v] of real) { lo = Math.min(lo, v); hi = Math.max(hi, v); }
  const flat = hi - lo < 1e-9;
  const x = (at: number) => ((at - t0) / (t1 - t0 || 1)) * 96 + 2;
  const y = (v: number) => (flat ? 15 : 27 - ((v - lo) / (hi - lo)) * 24);
  let d = "", pen = false;
  for (const [at, v] of points) {
    if (v === null) { pen = false; continue; }
    d += `${pen ? "L" : "M"}${x(at).toFixed(1)} ${y(v).toFixed(1)}${pen ? "" : "h0"}`; // one between gaps is a dot
    pen = true;
  }
  const end = real[real.length - 1]!;
  return (
    <svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
      <path d={d} fill="none" vector-effect="non-scaling-stroke" />
      <path class="tip" d={`M${x(end[0]).toFixed(1)} ${y(end[1]).toFixed(1)}h0`} vector-effect="non-scaling-stroke" />
    </svg>
  );
}

/** Up, down or level, as a drawn arrow. */
export function Arrow({ delta }: { delta: number }) {
  const d = Math.abs(delta) < 1e-9 ? "M2 10h15M12 5l5 5-5 5" : delta > 0 ? "M4 16 16 4M7 4h9v9" : "M4 4l12 12M16 7v9H7";
  return <svg class="arrow" viewBox="0 0 20 20" aria-hidden="true"><path d={d} /></svg>;
}
