// A screen that nobody has signed in at: it shows a code, and waits until somebody
// at a desk has let it in. No keyboard is needed in front of it.
import { useEffect, useState } from "preact/hooks";
import { api, whyNot, type Problem } from "./api";
import { span } from "./format";
import { lang, t } from "./i18n";
import { LangButton } from "./pieces";
import { live, me, now, whoAmI } from "./store";
import "./pairing.css";

const ASK_MS = 3_000, RETRY_MS = 10_000;

export default function Pairing() {
  const [code, setCode] = useState<{ code: string; expires: number } | null>(null);
  const [problem, setProblem] = useState<unknown>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>, gone = false, mine = "";
    const later = (ms: number) => { if (!gone) timer = setTimeout(() => void step(), ms); };
    const step = async (): Promise<void> => {
      try {
        if (!mine) {
          const given = await api<{ code: string; expires: number }>("POST", "pairings");
          mine = given.code;
          if (!gone) setCode(given);
        }
        const answer = await api<{ state: string }>("GET", "pairings/" + mine);
        setProblem(undefined);
        if (answer.state === "approved") {
          await whoAmI();
          if (me.value) { live.reconnect(); return; }
          mine = ""; // revoked meanwhile, or this browser keeps no cookie: another code
          later(RETRY_MS);
          return;
        }
        later(ASK_MS);
      } catch (e) {
        const p = e as Problem;
        if (p.status === 404) { mine = ""; later(500); return; } // over, or the server was restarted: another code
        setProblem(p);
        later(RETRY_MS);
      }
    };
    void step();
    return () => { gone = true; clearTimeout(timer); };
  }, []);
  const left = code ? code.expires - now.value : 0;
  return (
    <main class="pairing">
      <svg class="tower" viewBox="0 0 64 64" aria-hidden="true"><path d="M8 22 32 8l24 14zM14 27h36v4H14zm5 8h26l4 23H15zm10 9v14h6V44z" /></svg>
      <h1>{t("pairTitle")}</h1>
      <p class="code" aria-label={code ? code.code.split("").join(" ") : t("waiting")}>
        {(code?.code ?? "······").split("").map((c, i) => <span key={i}>{c}</span>)}
      </p>
      <p class="how">{t("pairHow")} <b>{location.host}<wbr />/devices</b></p>
      <p class="left" role="status">{problem ? <span class="problem">{whyNot(problem)}</span> : code && left > 0 ? `${t("pairLeft")} ${span(left, lang.value)}` : t("connecting")}</p>
      <p class="aside"><a href="/login?next=%2Fwall">{t("signIn")}</a> <LangButton /></p>
    </main>
  );
}
