// Severity is said three times: by shape, by word and by colour. The shapes are
// drawn, not typed: the embedded font has no such signs.
import type { Severity } from "./contract";
import { t } from "./i18n";

export const COLOUR: Record<Severity, string> = { critical: "#d55e00", warning: "#e69f00", notice: "#f0e442", calm: "#8a949e" };

/** Paths in a 20 × 20 box, centred on 10,10. */
export const SHAPE: Record<Severity, string> = {
  critical: "M10 1.2 19.4 18H.6z",
  warning: "M10 .4 19.6 10 10 19.6.4 10z",
  notice: "M10 1.8a8.2 8.2 0 1 0 0 16.4 8.2 8.2 0 1 0 0-16.4z",
  calm: "M10 6a4 4 0 1 0 0 8 4 4 0 1 0 0-8z",
};

/** The shape with its word for those who cannot see it; silent where the word stands beside it. */
export function Mark({ severity, silent }: { severity: Severity; silent?: boolean }) {
  return (
    <svg class={`mark ${severity}`} viewBox="0 0 20 20" {...(silent ? { "aria-hidden": "true" as const } : { role: "img", "aria-label": t(severity) })}>
      <path d={SHAPE[severity]} />
    </svg>
  );
}
