// In a replay a camera shows no live picture: what was kept with an alarm near the
// moment, with its own time, or the word that nothing was.
import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api } from "./api";
import type { AlarmState, EvidenceAnswer, EvidencePicture } from "./contract";
import { clock } from "./format";
import { t } from "./i18n";
import { paint } from "./still";
import { now } from "./store";
import { learnt, nearest } from "./timeline";

/** Pictures are kept from a minute before an alarm to two minutes after; asked about at most so many of them. */
const AROUND_MS = 180_000, ALARMS = 24, WIDTH = 640, STEP_MS = 1000;

/** The scope's alarms, as the page that replays knows them: the present's, and those of the moments that were shown. */
export const known = signal<readonly AlarmState[]>([]);

const asked = new Map<string, Promise<EvidenceAnswer | null>>();
const MAX_ASKED = 200;

function evidenceOf(alarm: string): Promise<EvidenceAnswer | null> {
  let answer = asked.get(alarm);
  if (!answer) {
    if (asked.size >= MAX_ASKED) asked.clear();
    answer = api<EvidenceAnswer>("GET", `alarms/${encodeURIComponent(alarm)}/evidence`).catch(() => { asked.delete(alarm); return null; });
    asked.set(alarm, answer);
  }
  return answer;
}

/** Adds alarms to what is known, and what is newer of those that are. */
export function learn(alarms: Iterable<AlarmState>): void {
  const next = learnt(known.peek(), alarms);
  if (next) known.value = next;
}

interface Found { alarm: string; picture: EvidencePicture }

export function KeptPicture({ id, label }: { id: string; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [all, setAll] = useState<Found[]>([]), [unsure, setUnsure] = useState(false), [painted, setPainted] = useState("");
  const moment = Math.floor(now.value / STEP_MS) * STEP_MS;
  const near = known.value.filter((a) => Math.abs(a.raised_at - moment) <= AROUND_MS)
    .sort((a, b) => Math.abs(a.raised_at - moment) - Math.abs(b.raised_at - moment)).slice(0, ALARMS).map((a) => a.id);
  const key = near.join();
  useEffect(() => {
    let current = true;
    void Promise.all(near.map(async (alarm) => (await evidenceOf(alarm))?.pictures.filter((p) => p.camera === id).map((picture) => ({ alarm, picture }))))
      .then((lists) => { if (current) { setAll(lists.flatMap((l) => l ?? [])); setUnsure(lists.includes(undefined)); } });
    return () => { current = false; };
  }, [key, id]);
  const found = useMemo(() => nearest(all, moment, (f) => Date.parse(f.picture.at)), [all, moment]);
  const shows = found ? `${found.alarm}/${found.picture.n}` : "";
  useEffect(() => {
    if (!found) return;
    const stop = new AbortController();
    void paint(found.alarm, found.picture, canvas.current!, WIDTH, stop.signal).then((ok) => { if (ok && !stop.signal.aborted) setPainted(shows); });
    return () => stop.abort();
  }, [shows]);
  const shown = !!found && painted === shows;
  return (
    <div class="kept" data-kept={shown ? "picture" : "none"}>
      <canvas ref={canvas} aria-label={label} role="img" hidden={!shown} />
      <span class="keptword">{shown ? <>{t("camKept")} <time dateTime={found!.picture.at}>{clock(Date.parse(found!.picture.at))}</time></> : t(unsure && !found ? "camUnsure" : "camNoKept")}</span>
    </div>
  );
}
