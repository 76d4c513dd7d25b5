// Paints pictures, as the server keeps them with alarms, onto canvases: single-frame MP4
// files, or JPEGs of cameras whose codec browsers do not play. A few video elements do
// it for all of the files: a hundred elements would hold a hundred decoders.
import type { EvidencePicture } from "./contract";

const AT_ONCE = 2, LATE_MS = 10_000;

interface Task { url: string; canvas: HTMLCanvasElement; width: number; signal: AbortSignal; done: (ok: boolean) => void }

const waiting: Task[] = [];
const idle: HTMLVideoElement[] = [];
let made = 0;

/**
 * Paints a picture kept with an alarm onto a canvas, at most width pixels wide, in its
 * proportions. False when it cannot be decoded, does not come, or the signal came first.
 */
export function paint(alarm: string, picture: EvidencePicture, canvas: HTMLCanvasElement, width: number, signal: AbortSignal): Promise<boolean> {
  const url = `/api/v1/alarms/${encodeURIComponent(alarm)}/evidence/${picture.n}`;
  if (picture.type === "image/jpeg") return paintImage(url, canvas, width, signal).catch(() => false);
  return new Promise((done) => {
    waiting.push({ url, canvas, width, signal, done });
    next();
  });
}

async function paintImage(url: string, canvas: HTMLCanvasElement, width: number, signal: AbortSignal): Promise<boolean> {
  const answer = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(LATE_MS)]) });
  if (!answer.ok) return false;
  const image = await createImageBitmap(await answer.blob());
  if (!signal.aborted) draw(canvas, image, image.width, image.height, width);
  image.close();
  return !signal.aborted;
}

function draw(canvas: HTMLCanvasElement, source: CanvasImageSource, w: number, h: number, most: number): void {
  const scale = Math.min(1, most / w);
  canvas.width = Math.round(w * scale);
  canvas.height = Math.round(h * scale);
  canvas.getContext("2d")!.drawImage(source, 0, 0, canvas.width, canvas.height);
}

function next(): void {
  while (waiting.length) {
    if (waiting[0]!.signal.aborted) { waiting.shift()!.done(false); continue; }
    const video = idle.pop() ?? (made < AT_ONCE ? (made++, document.createElement("video")) : undefined);
    if (!video) return;
    run(video, waiting.shift()!);
  }
}

function run(video: HTMLVideoElement, task: Task): void {
  const byFrame = "requestVideoFrameCallback" in HTMLVideoElement.prototype;
  let frame = 0;
  const over = (ok: boolean) => {
    clearTimeout(timer);
    task.signal.removeEventListener("abort", stop);
    if (byFrame) video.cancelVideoFrameCallback(frame);
    video.onloadeddata = video.onerror = null;
    video.removeAttribute("src");
    video.load();
    idle.push(video);
    task.done(ok);
    next();
  };
  const stop = () => over(false);
  const shown = () => {
    draw(task.canvas, video, video.videoWidth, video.videoHeight, task.width);
    over(true);
  };
  const timer = setTimeout(stop, LATE_MS);
  task.signal.addEventListener("abort", stop);
  video.muted = true;
  video.preload = "auto";
  video.onerror = stop;
  // That the data is loaded does not say that there is a frame to draw yet: on a busy
  // machine one canvas in twelve stayed blank.
  if (byFrame) frame = video.requestVideoFrameCallback(shown);
  else video.onloadeddata = shown;
  video.src = task.url;
}
