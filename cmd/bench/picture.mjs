// How long a camera's first picture takes in headless Chromium, for picture.go:
//   node picture.mjs CHROMIUM BASE USER PASSWORD TILES FOCUSES
// prints a JSON line {path, cold: [ms], tile: [ms], focus: [ms], bare: [ms]} for each
// way of playing; cold are the tiles of the first load, whose scripts the browser has
// not compiled yet. A tile counts from its mount, a focus from the click, both to the first
// painted frame. bare is what this browser and machine need for as many pictures on a
// page that has nothing else to do, measured in turns with the wall.
import { chromium } from "playwright-core";

const [executablePath, base, user, password, tiles, focuses] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--mute-audio", "--autoplay-policy=no-user-gesture-required"] });
const context = await browser.newContext({ viewport: { width: 1920, height: 1080 }, locale: "vi-VN" });
await context.request.post(base + "/api/v1/session", { data: { user, password }, headers: { Origin: base } });

const measures = (kind) => performance.getEntriesByType("measure").filter((m) => m.name.startsWith("picture " + kind)).map((m) => ({ name: m.name, ms: m.duration }));
const wait = (page, kind, n) => page.waitForFunction(([k, least]) => performance.getEntriesByType("measure").filter((m) => m.name.startsWith("picture " + k)).length >= least, [kind, n], { timeout: 20_000 });

/** The tiles' socket, decoders and canvases by hand; resolves with the times to each first frame. */
const bare = (cameras) => new Promise((resolve, reject) => {
  const asked = performance.now(), took = [];
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/api/v1/tiles", "ioc.tiles.units.v1");
  const decoders = cameras.map(() => {
    const canvas = document.body.appendChild(document.createElement("canvas")), paper = canvas.getContext("2d");
    let painted = false;
    return new VideoDecoder({ error: reject, output: (frame) => {
      if (!painted) { paper.drawImage(frame, 0, 0); painted = true; took.push(performance.now() - asked); }
      frame.close();
      if (took.length === cameras.length) { socket.close(); decoders.forEach((d) => d.close()); resolve(took); }
    } });
  });
  socket.binaryType = "arraybuffer";
  socket.onerror = reject;
  socket.onopen = () => cameras.forEach((camera, i) => socket.send(JSON.stringify({ type: "watch", id: i + 1, camera })));
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") {
      const m = JSON.parse(data);
      if (m.type === "init") decoders[m.id - 1].configure({ codec: m.codec, description: Uint8Array.from(atob(m.description), (c) => c.charCodeAt(0)), optimizeForLatency: true });
      return;
    }
    const view = new DataView(data), decoder = decoders[view.getUint32(0) - 1];
    decoder.decode(new EncodedVideoChunk({ type: "key", timestamp: 0, data: new Uint8Array(data, 24, view.getUint32(4)) }));
    decoder.flush().catch(() => {});
  };
});

for (const path of ["units", "mse"]) {
  const result = { path, cold: [], tile: [], focus: [], bare: [] };
  const page = await context.newPage();
  const empty = await context.newPage(); // the bare one is by itself, so that the wall's does not clear up behind it
  while (result.tile.length < +tiles) {
    await page.goto(base + "/wall?video=" + path, { waitUntil: "domcontentloaded" });
    await wait(page, "tile", 5);
    const seen = await page.evaluate(measures, "tile");
    result[result.cold.length ? "tile" : "cold"].push(...seen.map((m) => m.ms));
    await page.goto(base + "/login", { waitUntil: "load" });
    await empty.bringToFront();
    await empty.goto(base + "/login", { waitUntil: "load" });
    result.bare.push(...await empty.evaluate(bare, seen.map((m) => m.name.split(" ").pop())));
    await empty.goto("about:blank");
    await page.bringToFront();
  }
  await page.goto(base + "/district/15?video=" + path, { waitUntil: "domcontentloaded" });
  await wait(page, "tile", 3);
  await page.evaluate(() => addEventListener("click", () => { window.clicked = performance.now(); }, true));
  for (let i = 0; result.focus.length < +focuses && i < 3 * +focuses; i++) {
    // One that has a picture: the others have none to wait for.
    const tile = page.locator(".nearest figure.camera.live .cover").nth(i % 3);
    await page.evaluate(() => performance.clearMeasures());
    await tile.click();
    await wait(page, "full", 1);
    result.focus.push(await page.evaluate(() => { const m = performance.getEntriesByType("measure").find((e) => e.name.startsWith("picture full")); return m.startTime + m.duration - window.clicked; }));
    await page.locator(".camdialog header button").click();
    await page.locator(".camdialog").waitFor({ state: "detached" });
  }
  await page.close();
  await empty.close();
  console.log(JSON.stringify(result));
}
await browser.close();
