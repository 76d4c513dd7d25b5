// Headless Chromium for the bench: signs in, opens the wall, and says on standard
// output which number a station's row showed and when, a line of JSON each. Started
// with: node page.mjs CHROMIUM URL USER PASSWORD STATION
import { chromium } from "playwright-core";

const [, , executablePath, url, user, password, station] = process.argv;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--mute-audio"] });
const page = await (await browser.newContext({ viewport: { width: 1920, height: 1080 }, locale: "vi-VN" })).newPage();
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
await page.exposeFunction("tell", say);
await page.goto(url + "/login?next=/wall");
await page.fill("input[name=user]", user);
await page.fill("input[name=password]", password);
await page.click("button[type=submit]");
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
say({ ready: true });
process.stdin.on("end", async () => { await browser.close(); process.exit(0); });
process.stdin.resume();
