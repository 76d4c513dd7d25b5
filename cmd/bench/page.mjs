// Headless Chromium for the bench: says on standard output what it sees, a line of
// JSON each. Started with: node page.mjs CHROMIUM URL USER PASSWORD DO [ARGUMENT...]
//   load ROUNDS             opens the wall in a fresh context each time: when it is painted, when the first value stands, what came over the wire
//   delay STATION           which number the station's row showed and when
//   hold PATH WIDTH HEIGHT  keeps a page open and answers "look" with what is on it and "heap" with its size after a collection
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [, , executablePath, url, user, password, what, ...args] = process.argv;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--mute-audio"] });
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const VALUE = ".notable .v, .kpi .v";

/** A page of a context of its own, signed in without having loaded anything. */
async function fresh(width = 1920, height = 1080) {
  const context = await browser.newContext({ viewport: { width, height }, locale: "vi-VN" });
  const answer = await context.request.post(url + "/api/v1/session", { data: { user, password }, headers: { Origin: url } });
  if (!answer.ok()) throw new Error(`sign in: ${answer.status()}`);
  return context.newPage();
}

async function load(rounds) {
  for (let i = 0; i < rounds; i++) {
    const page = await fresh(), cdp = await page.context().newCDPSession(page);
    const kinds = new Map(), bytes = {};
    await cdp.send("Network.enable");
    await cdp.send("Network.setCacheDisabled", { cacheDisabled: true });
    cdp.on("Network.responseReceived", (e) => kinds.set(e.requestId, e.type));
    cdp.on("Network.loadingFinished", (e) => { const k = kinds.get(e.requestId) ?? "Other"; bytes[k] = (bytes[k] ?? 0) + e.encodedDataLength; });
    await page.addInitScript((value) => {
      window.firstValue = new Promise((done) => {
        const look = () => { if (document.querySelector(value)?.textContent?.match(/\d/)) { seen.disconnect(); done(performance.now()); } };
        const seen = new MutationObserver(look);
        seen.observe(document, { subtree: true, childList: true, characterData: true });
      });
    }, VALUE);
    await page.goto(url + "/wall");
    const value = await page.evaluate(() => window.firstValue);
    const painted = await page.evaluate(() => new Promise((done) => new PerformanceObserver((list, o) => {
      const first = list.getEntriesByName("first-contentful-paint")[0];
      if (first) { o.disconnect(); done(first.startTime); }
    }).observe({ type: "paint", buffered: true })));
    await page.waitForLoadState("networkidle", { timeout: 3000 }).catch(() => { /* live data never rests */ });
    say({ painted, value, bytes });
    await page.context().close();
  }
}

async function delay(station) {
  const page = await fresh();
  await page.exposeFunction("tell", say);
  await page.goto(url + "/wall");
  await page.waitForSelector(`[data-station="${station}"] .v`, { timeout: 30000 });
  await page.evaluate((station) => {
    let last = 0;
    const look = () => {
      const at = Date.now();
      const text = document.querySelector(`[data-station="${station}"] .v`)?.firstChild?.textContent ?? "";
      const number = Number(text.replaceAll(".", "").replace(",", "."));
      if (number && number !== last) window.tell({ number: (last = number), at });
    };
    // The DOM as it is after the page's own work: a mutation is seen in the same task.
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
  }, station);
}

async function hold(path, width, height) {
  const page = await fresh(+width, +height), cdp = await page.context().newCDPSession(page);
  page.on("pageerror", (e) => process.stderr.write(`the page: ${e.stack ?? e}\n`));
  await page.addInitScript(() => {
    // Counted in the page: a debugger that is told every frame costs the page more than the frame.
    window.deltas = 0;
    window.WebSocket = class extends WebSocket {
      constructor(...args) {
        super(...args);
        this.addEventListener("message", ({ data }) => { if (typeof data === "string" && data.slice(0, 200).includes('"delta","topic":"stations/')) window.deltas++; });
      }
    };
  });
  await page.goto(url + path);
  await page.waitForSelector(VALUE, { timeout: 30000 });
  say({});
  const answers = {
    look: () => page.evaluate(() => ({
      charts: document.querySelectorAll(".spark path").length / 2, tiles: document.querySelectorAll("figure.camera").length,
      clock: document.querySelector(".clock").textContent, link: document.querySelector(".livemark").textContent, elements: document.querySelectorAll("*").length,
      deltas: window.deltas, // of stations: four a second where the server and the page keep up
    })),
    heap: async () => {
      await cdp.send("HeapProfiler.enable");
      for (let i = 0; i < 2; i++) await cdp.send("HeapProfiler.collectGarbage"); // what finalizers free goes with the second
      await cdp.send("HeapProfiler.disable");
      return { bytes: (await cdp.send("Runtime.getHeapUsage")).usedSize, ...await answers.look() };
    },
  };
  for await (const word of createInterface({ input: process.stdin })) say(await answers[word]());
}

const ended = new Promise((done) => process.stdin.on("end", done));
if (what !== "hold") process.stdin.resume();
await { load, delay, hold }[what](...args);
await ended;
await browser.close();
process.exit(0);
