// Numbers and times as Vietnamese readers write them: 1.879; 87,55 %; 24 h;
// dd/MM/yyyy. The civil day is Asia/Ho_Chi_Minh's wherever the screen stands.

export type Lang = "vi" | "en";

/**
 * A moment in Asia/Ho_Chi_Minh, as ISO 8601 writes it. The zone is UTC+7 without
 * summer time, since 1975. Neither times nor numbers go by the browser's own
 * formats: those take a quarter of a second to load, just when a page's first
 * pictures are asked for.
 */
const civil = (ms: number): string => new Date(ms + 7 * 3_600_000).toISOString();

/** A number with a fixed count of decimals, halves away from zero, and a true minus sign. */
export function num(v: number, decimals: number, lang: Lang): string {
  if (!Number.isFinite(v)) return Number.isNaN(v) ? "–" : v < 0 ? "−∞" : "∞";
  // Rounded are the decimals that the number is written with, not its binary fraction.
  const size = Math.abs(v), plain = size >= 1e21 ? String(BigInt(size)) : size < 1e-6 ? "0" : String(size);
  const [units = "", fraction = ""] = plain.split(".");
  let digits = units + fraction.slice(0, decimals).padEnd(decimals, "0");
  if (fraction.charAt(decimals) >= "5") digits = String(BigInt(digits) + 1n).padStart(digits.length, "0");
  const cut = digits.length - decimals;
  const whole = digits.slice(0, cut).replace(/\B(?=(\d{3})+$)/g, lang === "vi" ? "." : ",");
  const text = decimals ? whole + (lang === "vi" ? "," : ".") + digits.slice(cut) : whole;
  return v < 0 && /[1-9]/.test(digits) ? "−" + text : text; // −0,0 is no number anybody measured
}

/** A number without needless zeros: 95 rather than 95,00. */
export function short(v: number, decimals: number, lang: Lang): string {
  let d = decimals;
  while (d > 0 && Math.abs(v - Number(v.toFixed(d - 1))) < 1e-9) d--;
  return num(v, d, lang);
}

/** A number that always carries its sign, for trends. */
export function signed(v: number, decimals: number, lang: Lang): string {
  const s = num(v, decimals, lang);
  return v > 0 && /[1-9]/.test(s) ? "+" + s : s;
}

/** A value with its symbol, held together by a no-break space. */
export function withSymbol(v: number, decimals: number, symbol: string, lang: Lang): string {
  return num(v, decimals, lang) + (symbol ? "\u00a0" + symbol : "");
}

/** 02:14:07 */
export function clock(ms: number): string {
  return civil(ms).slice(11, 19);
}

/** 02:14 */
export function hourMinute(ms: number): string {
  return civil(ms).slice(11, 16);
}

/** 22/11/2026 */
export function day(ms: number): string {
  const at = civil(ms);
  return `${at.slice(8, 10)}/${at.slice(5, 7)}/${at.slice(0, 4)}`;
}

/** 22/11 02:14 */
export function dayTime(ms: number): string {
  return `${day(ms).slice(0, 5)} ${hourMinute(ms)}`;
}

/** 02:14 today, 22/11 02:14 on any other day. */
export function moment(ms: number, now: number): string {
  return day(ms) === day(now) ? hourMinute(ms) : dayTime(ms);
}

/** A length of time in its largest fitting unit: 40 giây, 12 phút, 3 giờ, 2 ngày. */
export function span(ms: number, lang: Lang): string {
  const s = Math.max(0, Math.round(ms / 1000));
  const say = (n: number, vi: string, en: string) => `${num(n, 0, lang)}\u00a0${lang === "vi" ? vi : en}`;
  if (s < 60) return say(s, "giây", "s");
  if (s < 3600) return say(Math.floor(s / 60), "phút", "min");
  if (s < 86_400) return say(Math.floor(s / 3600), "giờ", "h");
  return say(Math.floor(s / 86_400), "ngày", "d");
}

/** How far from a moment something is, in seconds: −20 giây, +40 giây. */
export function secondsFrom(ms: number, lang: Lang): string {
  return `${signed(Math.round(ms / 1000), 0, lang)}\u00a0${lang === "vi" ? "giây" : "s"}`;
}

/** How many decimals tell the marks of an axis apart that lie so far from each other. */
export function placesOf(step: number): number {
  let places = 0;
  while (places < 6 && Math.abs(Math.round(step * 10 ** places) - step * 10 ** places) > 1e-6) places++;
  return places;
}

/** A share of readings or stations: 17/20. */
export function share(n: number, m: number, lang: Lang): string {
  return `${num(n, 0, lang)}/${num(m, 0, lang)}`;
}
