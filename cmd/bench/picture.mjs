// How long a camera's first picture takes in headless Chromium, for picture.go:
//   node picture.mjs CHROMIUM BASE USER PASSWORD TILES FOCUSES
// prints a JSON line {path, tile: [ms], focus: [ms]} for each way of playing. A tile
// counts from its mount, a focus from the click, both to the first painted frame.
import { chromium } from "playwright-core";

const [executablePath, base, user, password, tiles, focuses] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--mute-audio", "--autoplay-policy=no-user-gesture-required"] });
const context = await browser.newContext({ viewport: { width: 1920, height: 1080 }, locale: "vi-VN" });
await context.request.post(base + "/api/v1/session", { data: { user, password }, headers: { Origin: base } });

const measures = (kind) => performance.getEntriesByType("measure").filter((m) => m.name.startsWith("picture " + kind)).map((m) => ({ start: m.startTime, ms: m.duration }));
const wait = (page, kind, n) => page.waitForFunction(([k, least]) => performance.getEntriesByType("measure").filter((m) => m.name.startsWith("picture " + k)).length >= least, [kind, n], { timeout: 20_000 });

for (const path of ["units", "mse"]) {
  const result = { path, tile: [], focus: [] };
  const page = await context.newPage();
  while (result.tile.length < +tiles) {
    await page.goto(base + "/wall?video=" + path, { waitUntil: "domcontentloaded" });
    await wait(page, "tile", 5);
    result.tile.push(...(await page.evaluate(measures, "tile")).map((m) => m.ms));
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
  console.log(JSON.stringify(result));
}
await browser.close();
