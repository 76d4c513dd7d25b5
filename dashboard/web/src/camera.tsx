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
import { dead, now, replaying } from "./store";
import { unitsFit, UnitPlayer } from "./decode";
import { framed, moving, nothing, OLD_MS, told, worth } from "./picture";
import { Player, type Hooks, type Mode } from "./video";
import type { Gone } from "./video-link";

/** Below this age, ms, a moving picture needs no age beside it. */
const FRESH_MS = 3_000;

/** When each picture on this page last got a frame, by performance.now(), ms. */
const frames = new Map<string, number>();

/** How many pictures on this page moved of late. */
export const picturesLive = (): number => [...frames.values()].filter((at) => performance.now() - at < OLD_MS).length;

/** What a camera shows: live, or in a replay what was kept. */
export function Picture(props: { id: string; mode: Mode; label: string; onCame: (what: "frame" | Gone) => void }) {
  return replaying.value ? <KeptPicture id={props.id} label={props.label} /> : <LivePicture {...props} />;
}

function LivePicture({ id, mode, label, onCame }: Parameters<typeof Picture>[0]) {
  const screen = useRef<HTMLVideoElement & HTMLCanvasElement>(null);
  const [seen, setSeen] = useState(false), [odd, setOdd] = useState(false), [units, setUnits] = useState(unitsFit);
  const hears = useRef(onCame);
  hears.current = onCame;
  useLayoutEffect(() => {
    setSeen(false);
    setOdd(false);
    let first = true;
    const began = performance.now();
    const hooks: Hooks = {
      onFrame: (at) => {
        frames.set(id, performance.now());
        hears.current("frame");
        if (first) { first = false; setSeen(true); mark(`picture ${mode} ${id}`, began, at - performance.timeOrigin); }
      },
      onGone: (why) => { first = true; frames.delete(id); hears.current(why); setSeen(false); setOdd(why === "unsupported"); },
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

/** What a picture on this page is worth; since is when it last told something new. */
function usePicture(c: CameraState, mode: Mode): { onCame: (what: "frame" | Gone) => void; lost: boolean; old: boolean; since: number; age: () => number } {
  const came = useRef(nothing);
  came.current = replaying.value ? nothing : told(came.current, c, mode, performance.now());
  const judged = () => worth(came.current, c, mode, dead.value, performance.now());
  useComputed(() => now.value > 0 && judged().lost).value; // drawn again when that changes
  const { lost, old } = judged(), on = (at: number) => now.peek() - (performance.now() - at); // the server's clock
  return {
    onCame: (what) => {
      if (what === "frame") came.current = framed(came.current, performance.now());
      else if (what === "unsupported") came.current = { ...nothing, odd: true };
    },
    lost,
    old: replaying.value ? !moving(c) : old,
    since: lost ? on(came.current.heard ?? came.current.owed!) : standsSince(c),
    age: () => (came.current.heard === null ? (c.key_at ?? 0) : on(came.current.heard)),
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
  const { onCame, lost, old, since, age } = usePicture(camera, "tile");
  const name = say(camera.name), word = t(lost ? "camLost" : ("cam_" + camera.state) as Word), well = camera.state === "live" && !lost;
  return (
    <figure class={`camera ${camera.state} ${old ? "old" : ""}`} data-camera={id}>
      <Picture id={id} mode="tile" label={`${name}: ${word}`} onCame={onCame} />
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
  const { onCame, lost, old, since } = usePicture(camera, "full"), name = say(camera.name);
  const word = t(dead.value ? "lost" : lost ? "camLost" : ("cam_" + camera.state) as Word);
  return (
    <dialog ref={dialog} class="camdialog" onClose={onClose} aria-label={name}>
      <header>
        <h2>{name}</h2>
        <span class="camstate"><Mark severity={dead.value || lost ? "notice" : cameraSeverity(camera.state)} silent /> {word} · <Age at={since} /></span>
        <button type="button" onClick={() => dialog.current?.close()}>{t("close")}</button>
      </header>
      <div class={`camera ${camera.state} ${old ? "old" : ""}`}><Picture id={id} mode="full" label={name} onCame={onCame} /></div>
      <p class="muted">{camera.why ? say(camera.why) + " · " : ""}{num(camera.fps, 0, lang.value)} {t("picturesPerSecond")} · {num(camera.kbps, 0, lang.value)} kbit/s</p>
    </dialog>
  );
}
