// Headless Chromium for the end-to-end test, which is written in Go: a command a
// line on standard input, an answer a line on standard output, until standard input
// ends. Commands name a page by "as", each with a browser context (cookies) of its own.
//   {"id":1,"as":"wall","do":"goto","url":"…"}
//   {"id":2,"as":"wall","do":"fill","selector":"…","text":"…"}
//   {"id":3,"as":"wall","do":"click","selector":"…"}
//   {"id":4,"as":"wall","do":"see","selector":"…","text":["a","b"],"timeout":90000}   one element with all the texts
//   {"id":5,"as":"wall","do":"moving","selector":"…","timeout":90000}                a video or canvas whose picture changes
//   {"id":6,"as":"wall","do":"text","selector":"…"}
//   {"id":7,"as":"wall","do":"shot","path":"…"}
//   {"id":8,"as":"wall","do":"press","key":"ArrowRight"}
//   {"id":9,"as":"wall","do":"painted","selector":"…"}                                a canvas or video that shows something; "width": of that many pixels
//   {"id":11,"as":"wall","do":"clock","selector":"…"}                                 its bottom right changes between screenshots, and nothing else
//   {"id":10,"as":"wall","do":"tab","selector":"…","text":["a"]}                      the Tab key until such an element has the focus, shown
//   {"id":11,"as":"wall","do":"type","text":["…"]}                                    keys
//   {"id":12,"as":"wall","do":"download","selector":"…","path":"…"}                   what a click on a link saves
//   {"id":13,"as":"wall","do":"frames"}                                               [type, topic, prev, seq] of the live frames since the last asking
//   {"id":14,"as":"wall","do":"axe","width":390,"height":844,"media":"print"}         what axe-core finds, at a size and in a medium
//   {"id":16,"as":"wall","do":"ahead","ms":60000}                                     the server's clock is so far ahead in what this page hears; before its first goto there
//   {"id":17,"as":"wall","do":"wrongclock","ms":-60000}                               this browser's clock is so wrong; before its first goto
//   {"id":18,"as":"wall","do":"absent","path":"/assets/explore-"}                     what begins so is answered 404, as by a program of another version
//   {"id":19,"as":"wall","do":"present","text":["new"]}                               it is there again; new: under an index that names its script otherwise
//   {"id":20,"as":"wall","do":"listen"}                                               counts tones from its next goto on
//   {"id":21,"as":"wall","do":"heard"}                                                how many there were
//   {"id":22,"as":"wall","do":"fetched","selector":"a"}                               the last address of a history that was fetched, and where links lead
//   {"id":23,"as":"wall","do":"pictures","ms":1}                                      whether what tiles and cameras send reaches this page, 0: no; before its first goto there
//   {"id":15,"do":"strangers"}                     what any page asked of another host, and its errors
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const HOST = "127.0.0.1";
const browser = await chromium.launch({
  executablePath: process.argv[2] ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--mute-audio", "--autoplay-policy=no-user-gesture-required",
    `--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE ${HOST}`],
});
const blank = await browser.newPage(); // where pictures are compared, under no page's rules
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const pages = new Map(), framesOf = new WeakMap(), strangers = new Set(), errors = [];
let requests = 0;

function asked(url) {
  requests++;
  const u = new URL(url);
  if (!["data:", "blob:", "about:"].includes(u.protocol) && u.hostname !== HOST) strangers.add(url);
}

async function page(name) {
  let p = pages.get(name);
  if (p) return p;
  const context = await browser.newContext({ viewport: { width: 1920, height: 1080 }, locale: "vi-VN", serviceWorkers: "block" });
  context.on("request", (r) => asked(r.url()));
  p = await context.newPage();
  const frames = [];
  p.on("websocket", (s) => {
    asked(s.url());
    if (!new URL(s.url()).pathname.endsWith("/live")) return;
    s.on("framereceived", ({ payload }) => { for (const m of [JSON.parse(String(payload))].flat()) if (m.topic) frames.push([m.type, m.topic, m.prev ?? 0, m.seq ?? 0]); });
  });
  framesOf.set(p, frames);
  p.on("pageerror", (e) => errors.push(`${name}: ${e.stack ?? e}`));
  pages.set(name, p);
  return p;
}

// A small grey copy of a video or canvas, as numbers.
const capture = (video) => {
  const c = document.createElement("canvas");
  c.width = 64; c.height = 36;
  const g = c.getContext("2d", { willReadFrequently: true });
  g.drawImage(video, 0, 0, 64, 36);
  const d = g.getImageData(0, 0, 64, 36).data, grey = [];
  for (let i = 0; i < d.length; i += 4) grey.push((d[i] + d[i + 1] + d[i + 2]) / 3);
  return { grey, width: video.videoWidth ?? video.width, height: video.videoHeight ?? video.height, at: video.currentTime };
};

async function moving(p, selector, timeout) {
  const video = p.locator(selector).first(), end = Date.now() + timeout;
  await video.waitFor({ state: "attached", timeout });
  let first = null, differing = 0;
  while (Date.now() < end) {
    const now = await video.evaluate(capture);
    if (now.width > 0) {
      first ??= now;
      differing = now.grey.filter((v, i) => Math.abs(v - first.grey[i]) > 40).length;
      if ((now.at === undefined || now.at !== first.at) && differing >= 4) return { width: now.width, height: now.height, differing };
    }
    await p.evaluate(() => new Promise(requestAnimationFrame));
  }
  throw new Error(first ? `the picture stands still: ${differing} of ${64 * 36} points differ` : "the video has no picture");
}

// A picture is not of one colour.
async function painted(p, selector, timeout, width) {
  const canvas = p.locator(selector).first(), end = Date.now() + timeout;
  await canvas.waitFor({ state: "attached", timeout });
  while (Date.now() < end) {
    const now = await canvas.evaluate(capture);
    const contrast = Math.max(...now.grey) - Math.min(...now.grey);
    if (now.width > 0 && contrast > 40 && (!width || now.width === width)) return { width: now.width, height: now.height, contrast, grey: now.grey };
    await p.evaluate(() => new Promise(requestAnimationFrame));
  }
  throw new Error(width ? `there is no picture ${width} pixels wide` : "there is no picture");
}

// Points that differ much between two screenshots: in the bottom right, where a clock
// is burnt in, and elsewhere.
const differ = async ([a, b]) => {
  const read = async (png) => {
    const picture = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
    const g = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
    g.drawImage(picture, 0, 0);
    return g.getImageData(0, 0, picture.width, picture.height);
  };
  const x = await read(a), y = await read(b), found = { moved: 0, still: 0 };
  if (x.width !== y.width || x.height !== y.height) return found;
  for (let i = 0; i < x.data.length; i += 4) {
    if (Math.abs(x.data[i] + x.data[i + 1] + x.data[i + 2] - y.data[i] - y.data[i + 1] - y.data[i + 2]) < 180) continue;
    const at = i / 4, right = at % x.width > x.width / 2, below = at / x.width > x.height / 2;
    found[right && below ? "moved" : "still"]++;
  }
  return found;
};

async function clock(p, selector, timeout) {
  const element = p.locator(selector).first(), end = Date.now() + timeout;
  const shoot = async () => (await element.screenshot({ animations: "allow" })).toString("base64");
  let first = await shoot(), times = 0, found = null;
  const sum = { moved: 0, still: 0 };
  while (Date.now() < end) {
    await p.waitForTimeout(1100);
    const now = await shoot();
    found = await blank.evaluate(differ, [first, now]);
    first = now;
    if (found.moved < 4) continue;
    sum.moved += found.moved;
    sum.still += found.still;
    if (++times === 3) return sum; // the clock went on three times
  }
  throw new Error(`the clock stands still: it moved ${times} times, at last ${JSON.stringify(found)}`);
}

// The keyboard alone: where the focus goes must be seen.
async function tab(p, selector, text) {
  for (let i = 0; i < 120; i++) {
    await p.keyboard.press("Tab");
    const on = await p.evaluate(({ selector, text }) => {
      const e = document.activeElement;
      if (!e?.matches(selector) || !text.every((t) => e.textContent.includes(t))) return null;
      const s = getComputedStyle(e), box = e.getBoundingClientRect();
      return { outline: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none", inside: box.bottom > 0 && box.top < innerHeight };
    }, { selector, text });
    if (on) return on;
  }
  throw new Error(`120 presses of Tab do not reach ${selector} ${text}`);
}

async function judged(p, c) {
  const was = p.viewportSize();
  if (c.width) await p.setViewportSize({ width: c.width, height: c.height });
  await p.emulateMedia({ media: c.media ?? null });
  // Words that are half faded in have no contrast yet.
  await p.evaluate(() => document.fonts.ready.then(() => Promise.allSettled(document.getAnimations().filter((a) => a.effect.getComputedTiming().endTime < 5000).map((a) => a.finished))));
  await p.evaluate(axe);
  const { violations, passes } = await p.evaluate(() => axe.run(document, { resultTypes: ["violations", "passes"] }));
  // What scrolls on a screen must stand whole on paper.
  const cut = c.media !== "print" ? [] : await p.evaluate(() => [...document.querySelectorAll("body *")]
    .filter((e) => /auto|scroll/.test(getComputedStyle(e).overflowY) && e.clientHeight > 0 && e.scrollHeight > e.clientHeight + 2).map((e) => `${e.tagName} ${e.className}`));
  const wider = await p.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await p.emulateMedia({ media: null });
  await p.setViewportSize(was);
  return { passes: passes.length, wider, cut, faults: violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join(" | ")}`) };
}

const ahead = new WeakMap();
async function runAhead(p, ms) {
  if (!ahead.has(p)) {
    await p.routeWebSocket(/\/live$/, (page) => {
      page.connectToServer().onMessage((m) => page.send(String(m).replace(/("server_time":")([^"]+)/g, (_, key, at) => key + new Date(Date.parse(at) + ahead.get(p)).toISOString())));
    });
  }
  ahead.set(p, ms);
}

const pictures = new WeakMap();
async function letPictures(p, pass) {
  if (!pictures.has(p)) {
    await p.routeWebSocket(/\/(tiles|video\?mode=full)$/, (page) => {
      page.connectToServer().onMessage((m) => { if (pictures.get(p)) page.send(m); });
    });
  }
  pictures.set(p, pass);
}

async function run(c) {
  if (c.do === "strangers") return { strangers: [...strangers], errors, requests };
  const p = await page(c.as), timeout = c.timeout ?? 90_000; // for what nobody promises a time
  switch (c.do) {
    case "goto": await p.goto(c.url, { waitUntil: "domcontentloaded", timeout }); return null;
    case "fill": await p.locator(c.selector).fill(c.text[0], { timeout }); return null;
    case "click": await p.locator(c.selector).click({ timeout }); return null;
    case "see": {
      let found = p.locator(c.selector);
      for (const text of c.text ?? []) found = found.filter({ hasText: text });
      try {
        await found.first().waitFor({ state: "visible", timeout });
      } catch (e) {
        const there = await p.locator(c.selector).allInnerTexts().catch(() => []);
        throw new Error(`not seen within ${timeout} ms; there is ${JSON.stringify(there).slice(0, 600)}; the page says ${JSON.stringify((await p.locator("body").innerText()).slice(0, 1200))}`);
      }
      return await found.first().innerText();
    }
    case "text": return (await p.locator(c.selector).allInnerTexts()).join("\n");
    case "moving": return await moving(p, c.selector, timeout);
    case "press": await p.keyboard.press(c.key); return null;
    case "tab": return await tab(p, c.selector, c.text ?? []);
    case "type": await p.keyboard.type(c.text[0]); return null;
    case "frames": return framesOf.get(p).splice(0);
    case "ahead": await runAhead(p, c.ms); return null;
    case "wrongclock": await p.addInitScript((ms) => { const right = Date.now; Date.now = () => right() + ms; }, c.ms); return null;
    case "absent": await p.route((u) => u.pathname.startsWith(c.path), (r) => r.fulfill({ status: 404 })); return null;
    case "present": {
      await p.unrouteAll();
      if (c.text?.[0] !== "new") return null;
      await p.route((u) => u.pathname === new URL(p.url()).pathname, async (r) => {
        const answer = await r.fetch();
        await r.fulfill({ response: answer, body: (await answer.text()).replaceAll("/assets/", "/%61ssets/") });
      });
      return null;
    }
    case "pictures": await letPictures(p, c.ms > 0); return null;
    case "listen": await p.addInitScript(() => {
      window.tones = 0;
      const make = AudioContext.prototype.createOscillator;
      AudioContext.prototype.createOscillator = function () { window.tones++; return make.call(this); };
    }); return null;
    case "heard": return await p.evaluate(() => window.tones);
    case "fetched": return await p.evaluate((selector) => ({
      asked: performance.getEntriesByType("resource").map((e) => e.name).filter((name) => new URL(name).pathname.endsWith("/history")).at(-1) ?? "",
      links: [...document.querySelectorAll(selector)].map((a) => a.href),
    }), c.selector);
    case "axe": return await judged(p, c);
    case "download": {
      const [file] = await Promise.all([p.waitForEvent("download", { timeout }), p.locator(c.selector).first().click({ timeout })]);
      await file.saveAs(c.path);
      return file.suggestedFilename();
    }
    case "painted": return await painted(p, c.selector, timeout, c.width);
    case "clock": return await clock(p, c.selector, timeout);
    case "shot": await p.screenshot({ path: c.path }); return null;
  }
  throw new Error(`unknown command ${c.do}`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = { id: command.id, value: await run(command) };
  } catch (e) {
    answer = { id: command.id, error: String(e?.message ?? e) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();
