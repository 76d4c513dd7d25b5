// Steps of a history as people name them. The kinds of report period are the
// server's (GET periods); what one of them is called is said here.
import type { Text } from "./contract";
import { day, dayTime, type Lang } from "./format";

export interface PeriodKind { name: string; label: Text; from: string; to: string }

const HOUR = 3_600_000, CIVIL = 7 * HOUR;
const ROMAN = ["I", "II", "III", "IV"];

/** Fixed steps in ms; a report period has none. */
export const STEP_MS: Record<string, number> = { "15m": 900_000, "1h": HOUR, "1d": 24 * HOUR };

/** The kind of report period of a step, or "". A day is one too: it can be published. */
export const periodOf = (step: string): string => (step.startsWith("period:") ? step.slice(7) : step === "1d" ? "day" : "");

/** What a step is called that starts at ms. Reports from the 15th are named after the month they end in. */
export function stepName(step: string, ms: number, lang: Lang): string {
  const kind = periodOf(step);
  if (!kind) return dayTime(ms);
  const shifted = kind.endsWith("15"), at = new Date(ms + CIVIL + (shifted ? 20 * 24 * HOUR : 0));
  const month = at.getUTCMonth(), year = at.getUTCFullYear(), vi = lang === "vi";
  const mark = shifted ? (vi ? " (kỳ 15)" : " (from 15th)") : "";
  switch (kind.replace("15", "")) {
    case "month": return (vi ? `Tháng ${month + 1}/${year}` : `${new Intl.DateTimeFormat("en-GB", { month: "short", timeZone: "UTC" }).format(at)} ${year}`) + mark;
    case "quarter": return (vi ? `Quý ${ROMAN[Math.floor(month / 3)]}/${year}` : `Q${Math.floor(month / 3) + 1} ${year}`) + mark;
    case "half": return (vi ? `${month < 6 ? "6 tháng đầu" : "6 tháng cuối"} năm ${year}` : `H${month < 6 ? 1 : 2} ${year}`) + mark;
    case "year": return (vi ? `Năm ${year}` : `${year}`) + mark;
    case "week": return `${vi ? "Tuần từ" : "Week of"} ${day(ms)}`;
    case "rainday": return `19:00 ${day(ms)}`;
    default: return day(ms);
  }
}

/** The civil date of a moment as an input of a date has it. */
export const isoDay = (ms: number): string => new Date(ms + CIVIL).toISOString().slice(0, 10);
