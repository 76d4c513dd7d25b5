// Paints single-frame MP4 files, as the server keeps them with alarms, onto canvases.
// A few video elements do it for all of them: a hundred elements would hold a hundred
// decoders.

const AT_ONCE = 2, LATE_MS = 10_000;

interface Task { url: string; canvas: HTMLCanvasElement; width: number; signal: AbortSignal; done: (ok: boolean) => void }

const waiting: Task[] = [];
const idle: HTMLVideoElement[] = [];
let made = 0;

/**
 * Paints a file onto a canvas, at most width pixels wide, in the file's proportions.
 * False when it cannot be decoded, does not come, or the signal came first.
 */
export function paint(url: string, canvas: HTMLCanvasElement, width: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((done) => {
    waiting.push({ url, canvas, width, signal, done });
    next();
  });
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
  const draw = () => {
    const { canvas } = task, scale = Math.min(1, task.width / video.videoWidth);
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d")!.drawImage(video, 0, 0, canvas.width, canvas.height);
    over(true);
  };
  const timer = setTimeout(stop, LATE_MS);
  task.signal.addEventListener("abort", stop);
  video.muted = true;
  video.preload = "auto";
  video.onerror = stop;
  // That the data is loaded does not say that there is a frame to draw yet: on a busy
  // machine one canvas in twelve stayed blank.
  if (byFrame) frame = video.requestVideoFrameCallback(draw);
  else video.onloadeddata = draw;
  video.src = task.url;
}
