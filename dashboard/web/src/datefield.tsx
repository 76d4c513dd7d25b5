// A date, or a date and a time, of Vietnam as Vietnamese readers write it. Not the
// browser's own field alone: that writes dates as its own language does, so that
// 03/04 is another day on an English machine. Its calendar is kept behind a button.
import { useRef, useState } from "preact/hooks";
import { t } from "./i18n";
import { meant, written } from "./timeline";

export function DateField({ label, value, time = false, disabled, title, onSet }: {
  label: string; value: string; time?: boolean; disabled?: boolean; title?: string; onSet: (iso: string) => void;
}) {
  const [own, setOwn] = useState<string | null>(null);
  const calendar = useRef<HTMLInputElement>(null);
  const settle = (field: HTMLInputElement) => {
    const iso = own === null ? value : own.trim() === "" ? "" : meant(own, time);
    field.setCustomValidity(iso === null ? t(time ? "replayForm" : "dateForm") : "");
    if (iso === null) { field.reportValidity(); return; }
    setOwn(null);
    if (iso !== value) onSet(iso);
  };
  return (
    <label>{label}
      <span class="datefield">
        <input inputMode="numeric" autocomplete="off" disabled={disabled} title={title} placeholder={t(time ? "dateTimeLike" : "dateLike")} value={own ?? written(value)}
          onInput={(e) => { e.currentTarget.setCustomValidity(""); setOwn(e.currentTarget.value); }}
          onBlur={(e) => settle(e.currentTarget)} onKeyDown={(e) => { if (e.key === "Enter") { e.preventDefault(); settle(e.currentTarget); } }} />
        <button type="button" disabled={disabled} aria-label={`${label}: ${t("calendar")}`} title={t("calendar")} onClick={() => calendar.current?.showPicker()}>
          <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M3 5h14v12H3zM3 9h14M7 2.5V6M13 2.5V6" /></svg>
        </button>
        <input ref={calendar} class="calendar" type={time ? "datetime-local" : "date"} tabIndex={-1} aria-hidden="true" value={value} onChange={(e) => { setOwn(null); onSet(e.currentTarget.value); }} />
      </span>
    </label>
  );
}
