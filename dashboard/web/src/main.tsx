import { render, type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Problem, whyNot } from "./api";
import { warmUp } from "./decode";
import { lang, t } from "./i18n";
import { go, home, path } from "./route";
import { live, me, trouble, whoAmI } from "./store";
import Wall from "./wall";
import "./style.css";

// The wall comes with the first file, as each more takes its time; the other pages are
// files of their own, so that a wall loads neither charts nor desks.
const pages: Record<string, () => Promise<{ default: ComponentType<any> }>> = {
  login: () => import("./login"),
  wall: async () => ({ default: Wall }),
  district: () => import("./district"),
  explore: () => import("./explore"),
  devices: () => import("./devices"),
  replay: () => import("./replay"),
  pairing: () => import("./pairing"),
};

/** A wall without a session shows a code to be paired with, never a login. */
const pageOf = (name: string, who: unknown) => (name === "wall" && who === null ? "pairing" : name);

function App() {
  const [, said = "", arg = ""] = path.value.split("/");
  const [page, setPage] = useState<{ name: string; View: ComponentType<any> }>();
  const [missing, setMissing] = useState<unknown>();
  const who = me.value;
  const name = pageOf(said, who);

  useEffect(() => { void whoAmI(); }, []);
  useEffect(() => {
    if (who === undefined) return;
    if (who === null && name !== "login" && name !== "pairing") go("/login?next=" + encodeURIComponent(location.pathname + location.search), true);
    else if (who && (name === "" || (name === "district" && !arg))) go(home(name ? "duty" : who.role, who.scope), true);
  }, [who, name]);
  useEffect(() => {
    if (who && name !== "login" && name !== "replay") live.start(); // a replay starts its own
  }, [who, name]);
  useEffect(() => {
    let current = true;
    const load = (wait: number) => pages[name]?.().then(
      (m) => { if (current) { setPage({ name, View: m.default }); setMissing(undefined); } },
      () => {
        if (!current) return;
        setMissing(new Problem(0, "unreachable"));
        void replaced().then((yes) => { if (yes && current) location.reload(); });
        setTimeout(() => { if (current) load(Math.min(wait * 2, 30_000)); }, wait);
      },
    );
    void load(1000);
    return () => { current = false; };
  }, [name]);
  useEffect(() => { document.title = (name in pages && name !== "login" && name !== "pairing" ? t((name === "district" ? "duty" : name) as "wall") + " · " : "") + t("product"); }, [name, lang.value]);

  if (said === "pairing" || (name && !pages[name])) return <main class="login"><form><h1>404</h1><p>{t("notFound")}</p><a href="/">{t("product")}</a></form></main>;
  if (page?.name === name && (name === "login" || name === "pairing" || who)) return <page.View key={arg} scope={scopeOf(arg)} />;
  const why = missing ?? trouble.value;
  return why ? <main class="login"><form><h1>{t("product")}</h1><p role="status">{whyNot(why)}</p></form></main> : null;
}

/** A part of the address; one that is no text is nobody's scope. */
function scopeOf(arg: string): string {
  try { return decodeURIComponent(arg); } catch { return arg; }
}

/** Whether the server has other pages than these by now: those that this page lacks are not there any more. */
async function replaced(): Promise<boolean> {
  const ours = document.querySelector<HTMLScriptElement>("script[type=module][src]");
  try {
    const answer = await fetch(location.href, { cache: "no-cache", headers: { Accept: "text/html" } });
    return !!ours && answer.ok && !(await answer.text()).includes(new URL(ours.src).pathname);
  } catch {
    return false;
  }
}

// The decoders' worker starts while the page with the pictures is still fetched.
if (["wall", "district"].includes(path.value.split("/")[1]!)) warmUp();
render(<App />, document.getElementById("app")!);
