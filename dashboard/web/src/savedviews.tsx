// The analyst's saved questions. A view is its address: the link works for whoever
// may see the same things.
import { useState } from "preact/hooks";
import { api, whyNot } from "./api";
import type { SavedView } from "./contract";
import { t } from "./i18n";
import { go } from "./route";
import { useFetched, useKept } from "./store";

export function SavedViews({ query }: { query: string }) {
  const [round, setRound] = useState(0), [problem, setProblem] = useState<unknown>(), [copied, setCopied] = useState(false);
  const views = useKept(useFetched("views" + round, async (s) => (await api<{ views: SavedView[] }>("GET", "views", undefined, s)).views)) ?? [];
  const act = async (what: () => Promise<unknown>) => {
    setProblem(undefined);
    try { await what(); setRound((n) => n + 1); } catch (e) { setProblem(e); }
  };
  const save = (e: SubmitEvent) => {
    e.preventDefault();
    const form = e.currentTarget as HTMLFormElement, name = String(new FormData(form).get("name")).trim();
    void act(() => api("POST", "views", { name, query }).then(() => form.reset()));
  };
  // Without a secure context there is no clipboard; the address bar holds the same link.
  const copy = () => navigator.clipboard?.writeText(location.origin + "/explore?" + query).then(() => { setCopied(true); setTimeout(() => setCopied(false), 2000); }, () => {});
  return (
    <details class="views">
      <summary>{t("views")} ({views.length})</summary>
      {views.length === 0 && <p class="muted">{t("noViews")}</p>}
      <ul>{views.map((v) => (
        <li key={v.id}>
          <a href={"/explore?" + v.query} aria-current={v.query === query ? "true" : undefined} onClick={(e) => { e.preventDefault(); go("/explore?" + v.query); }}>{v.name}</a>
          <button type="button" class="quiet" aria-label={`${t("remove")}: ${v.name}`} onClick={() => void act(() => api("DELETE", "views/" + encodeURIComponent(v.id)))}>{t("remove")}</button>
        </li>
      ))}</ul>
      <form onSubmit={save}><label>{t("viewName")}<input name="name" required maxLength={120} /></label><div class="acts"><button type="submit">{t("saveView")}</button>{"clipboard" in navigator && <button type="button" onClick={() => void copy()}>{copied ? t("copied") : t("copyLink")}</button>}</div></form>
      {problem ? <p class="problem" role="alert">{whyNot(problem)}</p> : null}
    </details>
  );
}
