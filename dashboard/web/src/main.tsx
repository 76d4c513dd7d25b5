import { render, type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { warmUp } from "./decode";
import { lang, t } from "./i18n";
import { go, home, path } from "./route";
import { live, me, whoAmI } from "./store";
import "./style.css";

// Each page is a file of its own, so that a wall loads no chart and a desk no wall.
const pages: Record<string, () => Promise<{ default: ComponentType<any> }>> = {
  login: () => import("./login"),
  wall: () => import("./wall"),
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
      (m) => { if (current) setPage({ name, View: m.default }); },
      () => setTimeout(() => { if (current) load(Math.min(wait * 2, 30_000)); }, wait),
    );
    void load(1000);
    return () => { current = false; };
  }, [name]);
  useEffect(() => { document.title = (name in pages && name !== "login" && name !== "pairing" ? t((name === "district" ? "duty" : name) as "wall") + " · " : "") + t("product"); }, [name, lang.value]);

  if (said === "pairing" || (name && !pages[name])) return <main class="login"><form><h1>404</h1><p>{t("notFound")}</p><a href="/">{t("product")}</a></form></main>;
  if (!page || page.name !== name || (name !== "login" && name !== "pairing" && !who)) return null;
  return <page.View key={arg} scope={decodeURIComponent(arg)} />;
}

// The decoders' worker starts while the page with the pictures is still fetched.
if (["wall", "district"].includes(path.value.split("/")[1]!)) warmUp();
render(<App />, document.getElementById("app")!);
