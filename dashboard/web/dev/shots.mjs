// Takes screenshots of the pages for a person's eye, and runs axe-core on each:
// `node dashboard/web/dev/shots.mjs BASE FOLDER [NAME...]` against a running server.
import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [base = "http://127.0.0.1:8090", folder = "/tmp/shots", ...only] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const all = [
  ["wall", "/wall", 1920, 1080], ["wall-en", "/wall?lang=en", 1920, 1080], ["wall-4k", "/wall?lang=vi", 3840, 2160], ["wall-phone", "/wall", 390, 844], ["wall-portrait", "/wall", 1080, 1920],
  ["district", "/district/d085", 1920, 1080], ["district-15", "/district/15", 1440, 900], ["district-phone", "/district/d085", 390, 844],
  ["explore", "/explore?metric=rain&station=LC-RAIN-000&station=LC-RAIN-004", 1920, 1080], ["explore-phone", "/explore?metric=on_time_share&by=unit", 390, 844],
  ["devices", "/devices", 1440, 900], ["devices-phone", "/devices", 390, 844], ["login", "/login", 1440, 900], ["login-phone", "/login", 390, 844],
];
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
let faults = 0;
for (const [name, path, width, height] of all) {
  if (only.length && !only.includes(name)) continue;
  const context = await browser.newContext({ viewport: { width, height }, bypassCSP: true });
  const page = await context.newPage();
  page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") console.log(name, "console:", m.text()); });
  page.on("pageerror", (e) => { faults++; console.log(name, "error:", e.message); });
  page.on("request", (r) => { if (!r.url().startsWith(base) && !/^(blob|data|ws):/.test(r.url())) { faults++; console.log(name, "left the host:", r.url()); } });
  await page.goto(base + path);
  await page.waitForTimeout(+(process.env.WAIT ?? 4500));
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: width < 500 || process.env.FULL === "1" });
  // What is cut off: text wider or taller than the box that hides its overflow.
  const cut = await page.evaluate(() => [...document.querySelectorAll("*")].filter((e) => e.children.length === 0 || e.matches("li,article,h2,p,.headline")).filter((e) => getComputedStyle(e).overflow.includes("hidden") && e.textContent.trim() && !e.closest(".vh") && (e.scrollWidth > e.clientWidth + 2 || e.scrollHeight > e.clientHeight + 2)).map((e) => e.textContent.slice(0, 60)));
  if (cut.length) console.log(name, "cut off:", cut);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) { faults++; console.log(name, "wider than the screen by", wide); }
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  for (const v of violations) { if (["serious", "critical"].includes(v.impact)) faults++; console.log(name, "axe:", v.impact, v.id, v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join(" | ")); }
  await context.close();
}
await browser.close();
console.log(`faults ${faults}`);
process.exit(faults ? 1 : 0);
