// The words of refusals: the server's own table, which the pages are built with. A
// chunk of its own, fetched with the first refusal: a wall never needs it.
import table from "../../problems.json";
import { day, hourMinute, num, type Lang } from "./format";

const codes: Record<string, { vi: string; en: string }> = table.codes;
const words: Record<string, Record<string, { vi: string; en: string }>> = table.words;

/** A value as the screen writes it: numbers and times by its language, fields and acts in words. */
function written(name: string, value: unknown, lang: Lang): string {
  if (typeof value === "number") return num(value, Number.isInteger(value) ? 0 : 2, lang);
  const text = String(value), word = words[name === "other" ? "field" : name]?.[text];
  if (word) return word[lang];
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return day(Date.parse(text + "T12:00:00+07:00"));
  if (/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text) && name !== "value") return `${hourMinute(Date.parse(text))} ${day(Date.parse(text))}`;
  return text;
}

/** A refusal in a sentence; empty for a code that these pages do not know yet. */
export function inWords(code: string, params: Record<string, unknown>, lang: Lang): string {
  const text = (codes[code]?.[lang] ?? "").replace(/\{(\w+)\}/g, (_, name: string) => written(name, params[name] ?? "", lang));
  return text.charAt(0).toLocaleUpperCase(lang) + text.slice(1);
}

/** A refusal of which only the code is known; empty when that is not enough for a sentence. */
export const ofCode = (code: string, lang: Lang): string => ((codes[code]?.[lang] ?? "{").includes("{") ? "" : inWords(code, {}, lang));
