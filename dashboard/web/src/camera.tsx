// A camera's picture with what must be known about it: its name, its state in word
// and shape, and how old the picture is.
import { useEffect, useRef, useState } from "preact/hooks";
import type { CameraState } from "./contract";
import { say, t, type Word } from "./i18n";
import { Age } from "./pieces";
import { cameraSeverity } from "./judge";
import { Mark } from "./severity";
import { dead } from "./store";
import { Player, type Mode } from "./video";

/** One picture at most so old, ms, still counts as what the camera sees. */
const OLD_MS = 15_000;

export function Picture({ id, mode, label }: { id: string; mode: Mode; label: string }) {
  const video = useRef<HTMLVideoElement>(null);
  const [seen, setSeen] = useState(false), [odd, setOdd] = useState(false);
  useEffect(() => {
    setSeen(false);
    setOdd(false);
    let first = true;
    const player = new Player(video.current!, id, mode, {
      onFrame: () => { if (first) { first = false; setSeen(true); } },
      onGone: (why) => { first = true; setSeen(false); setOdd(why === "unsupported"); },
    });
    return () => player.stop();
  }, [id, mode]);
  return (
    <>
      <video ref={video} muted playsInline aria-label={label} tabIndex={-1} />
      {!seen && <span class="nopicture">{t(odd ? "oddCodec" : "noPicture")}</span>}
    </>
  );
}

export function CameraTile({ id, camera, onOpen }: { id: string; camera: CameraState; onOpen?: (id: string) => void }) {
  const severity = cameraSeverity(camera.state);
  const moving = camera.state === "live" || camera.state === "degraded";
  const old = !moving || dead.value || (camera.key_at !== null && camera.seen_at !== null && camera.seen_at - camera.key_at > OLD_MS);
  const name = say(camera.name), word = t(("cam_" + camera.state) as Word);
  const since = camera.key_at ?? camera.since;
  return (
    <figure class={`camera ${camera.state} ${old ? "old" : ""}`}>
      <Picture id={id} mode="tile" label={`${name}: ${word}`} />
      {camera.state !== "live" && (
        <figcaption class="state">
          <Mark severity={severity} silent />
          <span class="word">{word}</span>
          <Age at={since} />
        </figcaption>
      )}
      <div class="plate">
        <span class="cname">{name}</span>
        {camera.state === "live" && <Age at={camera.key_at} />}
      </div>
      {onOpen && <button type="button" class="cover" aria-label={`${t("openCamera")}: ${name}`} onClick={() => onOpen(id)} />}
    </figure>
  );
}

/** Full motion in a dialog. */
export function CameraDialog({ id, camera, onClose }: { id: string; camera: CameraState; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => { dialog.current?.showModal(); }, []);
  const name = say(camera.name);
  return (
    <dialog ref={dialog} class="camdialog" onClose={onClose} aria-label={name}>
      <header>
        <h2>{name}</h2>
        <span class="camstate"><Mark severity={cameraSeverity(camera.state)} silent /> {t(("cam_" + camera.state) as Word)} · <Age at={camera.key_at ?? camera.since} /></span>
        <button type="button" onClick={() => dialog.current?.close()}>{t("close")}</button>
      </header>
      <div class={`camera ${camera.state}`}><Picture id={id} mode="full" label={name} /></div>
      <p class="muted">{camera.why ? say(camera.why) + " · " : ""}{camera.fps.toFixed(0)} fps · {camera.kbps.toFixed(0)} kbit/s</p>
    </dialog>
  );
}
