// A camera's picture with what must be known about it: its name, its state in word
// and shape, and how old the picture is.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useComputed } from "@preact/signals";
import type { CameraState } from "./contract";
import { num } from "./format";
import { lang, say, t, type Word } from "./i18n";
import { KeptPicture } from "./kept";
import { Age } from "./pieces";
import { cameraSeverity } from "./judge";
import { Mark } from "./severity";
import { dead, live, now, replaying } from "./store";
import { unitsFit, UnitPlayer } from "./decode";
import { Player, type Hooks, type Mode } from "./video";

/** One picture at most so old, ms, still counts as what the camera sees. */
const OLD_MS = 15_000;

/** Below this age, ms, a moving picture needs no age beside it. */
const FRESH_MS = 3_000;

/** When each picture on this page last got a frame, on our clock, ms. */
const frames = new Map<string, number>();

/** How many pictures on this page moved of late. */
export const picturesLive = (): number => [...frames.values()].filter((at) => Date.now() - at < OLD_MS).length;

/** What a camera shows: live, or in a replay what was kept. */
export function Picture(props: { id: string; mode: Mode; label: string; onFrame?: (at: number) => void }) {
  return replaying.value ? <KeptPicture id={props.id} label={props.label} /> : <LivePicture {...props} />;
}

function LivePicture({ id, mode, label, onFrame }: { id: string; mode: Mode; label: string; onFrame?: (at: number) => void }) {
  const screen = useRef<HTMLVideoElement & HTMLCanvasElement>(null);
  const [seen, setSeen] = useState(false), [odd, setOdd] = useState(false), [units, setUnits] = useState(unitsFit);
  const told = useRef(onFrame);
  told.current = onFrame;
  useLayoutEffect(() => {
    setSeen(false);
    setOdd(false);
    let first = true;
    const began = performance.now();
    const hooks: Hooks = {
      onFrame: (at) => {
        frames.set(id, at);
        told.current?.(at);
        if (first) { first = false; setSeen(true); mark(`picture ${mode} ${id}`, began, at - performance.timeOrigin); }
      },
      onGone: (why) => { first = true; frames.delete(id); setSeen(false); setOdd(why === "unsupported"); },
    };
    const player = units ? new UnitPlayer(screen.current!, id, mode, { ...hooks, onUnfit: () => setUnits(false) }) : new Player(screen.current!, id, mode, hooks);
    return () => { player.stop(); frames.delete(id); };
  }, [id, mode, units]);
  // A canvas is given away once: another camera gets another element.
  return (
    <>
      {units ? <canvas key={id + mode} ref={screen} class={seen ? "" : "blank"} role="img" aria-label={label} /> : <video ref={screen} class={seen ? "" : "blank"} muted playsInline aria-label={label} tabIndex={-1} />}
      {!seen && <span class="nopicture">{t(odd ? "oddCodec" : "noPicture")}</span>}
    </>
  );
}

/** How long a first picture took, among the page's own measures; one for each name. */
function mark(name: string, start: number, end: number): void {
  performance.clearMeasures(name);
  performance.measure(name, { start, end: Math.max(start, end) });
}

/**
 * What a picture on this page is worth: lost when it came and comes no more though
 * the camera is well, old when it may not look live; since is when it last told
 * something new.
 */
function usePicture(c: CameraState): { onFrame: (at: number) => void; lost: boolean; old: boolean; since: number; age: () => number } {
  const frame = useRef(0); // on our clock
  const stands = useComputed(() => { const at = now.value; return !replaying.value && frame.current > 0 && at - frame.current - live.offset > OLD_MS; });
  const moving = c.state === "live" || c.state === "degraded", lost = moving && stands.value;
  const stale = dead.value || (c.key_at !== null && c.seen_at !== null && c.seen_at - c.key_at > OLD_MS);
  return {
    onFrame: (at) => { frame.current = at; },
    lost,
    old: !moving || (!replaying.value && (lost || stale)),
    since: lost ? frame.current + live.offset : standsSince(c),
    age: () => (frame.current ? frame.current + live.offset : (c.key_at ?? 0)),
  };
}

/**
 * The age of what is seen: of the newest frame that came to this page, else of the
 * newest that the server has. A picture that moves needs none.
 */
function PictureAge({ at: newest }: { at: () => number }) {
  const at = newest();
  if (!at || now.value - at < FRESH_MS) return null;
  return <Age at={at} />;
}

/** Since when the picture tells nothing new: a frozen camera goes on sending the same one. */
const standsSince = (c: CameraState): number => (c.state === "frozen" || c.state === "dark" ? c.since : (c.key_at ?? c.since));

export function CameraTile({ id, camera, onOpen }: { id: string; camera: CameraState; onOpen?: (id: string) => void }) {
  const { onFrame, lost, old, since, age } = usePicture(camera);
  const name = say(camera.name), word = t(lost ? "camLost" : ("cam_" + camera.state) as Word), well = camera.state === "live" && !lost;
  return (
    <figure class={`camera ${camera.state} ${old ? "old" : ""}`} data-camera={id}>
      <Picture id={id} mode="tile" label={`${name}: ${word}`} onFrame={onFrame} />
      {!well && (
        <figcaption class="state">
          <Mark severity={lost ? "notice" : cameraSeverity(camera.state)} silent />
          <span class="word">{word}</span>
          <Age at={since} />
        </figcaption>
      )}
      {/* At the top: cameras burn their own name and clock into the bottom line. */}
      <div class="plate">
        <span class="cname">{name}</span>
        {well && replaying.value && <span class="age">{t("camThen")}</span>}
        {well && !replaying.value && <span class="alive">{!old && <><Mark severity="calm" silent />{word}</>}<PictureAge at={age} /></span>}
      </div>
      {onOpen && <button type="button" class="cover" aria-label={`${t("openCamera")}: ${name}`} onClick={() => onOpen(id)} />}
    </figure>
  );
}

/** Full motion in a dialog, which stands above what says that the page's link is lost. */
export function CameraDialog({ id, camera, onClose }: { id: string; camera: CameraState; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => { dialog.current?.showModal(); }, []);
  const { onFrame, lost, old, since } = usePicture(camera), name = say(camera.name);
  const word = t(dead.value ? "lost" : lost ? "camLost" : ("cam_" + camera.state) as Word);
  return (
    <dialog ref={dialog} class="camdialog" onClose={onClose} aria-label={name}>
      <header>
        <h2>{name}</h2>
        <span class="camstate"><Mark severity={dead.value || lost ? "notice" : cameraSeverity(camera.state)} silent /> {word} · <Age at={since} /></span>
        <button type="button" onClick={() => dialog.current?.close()}>{t("close")}</button>
      </header>
      <div class={`camera ${camera.state} ${old ? "old" : ""}`}><Picture id={id} mode="full" label={name} onFrame={onFrame} /></div>
      <p class="muted">{camera.why ? say(camera.why) + " · " : ""}{num(camera.fps, 0, lang.value)} {t("picturesPerSecond")} · {num(camera.kbps, 0, lang.value)} kbit/s</p>
    </dialog>
  );
}
