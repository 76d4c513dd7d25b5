import { useState } from "preact/hooks";
import { api, whyNot } from "./api";
import type { Me } from "./contract";
import { t } from "./i18n";
import { LangButton } from "./pieces";
import { go, home, query } from "./route";
import { live, me } from "./store";

const focus = (el: HTMLElement | null) => el?.focus();

export default function Login() {
  const [problem, setProblem] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const form = new FormData(e.currentTarget as HTMLFormElement);
    setBusy(true);
    setProblem(undefined);
    try {
      const who = await api<Me>("POST", "session", { user: form.get("user"), password: form.get("password") });
      me.value = who;
      live.reconnect();
      const next = query.value.get("next") ?? "";
      // Only a path of ours: "//host" and "\" would leave it.
      go(/^\/(?![/\\])/.test(next) ? next : home(who.role, who.scope), true);
    } catch (err) {
      setProblem(err);
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form onSubmit={submit}>
        <svg class="tower" viewBox="0 0 64 64" aria-hidden="true"><path d="M8 22 32 8l24 14zM14 27h36v4H14zm5 8h26l4 23H15zm10 9v14h6V44z" /></svg>
        <h1>{t("product")}</h1>
        <p class="muted">{t("tagline")}</p>
        <label>{t("user")}<input name="user" autocomplete="username" autocapitalize="none" spellcheck={false} required ref={focus} /></label>
        <label>{t("password")}<input name="password" type="password" autocomplete="current-password" required /></label>
        <p class="problem" role="alert">{problem ? whyNot(problem) : ""}</p>
        <button type="submit" class="strong" disabled={busy}>{t("signIn")}</button>
        <LangButton />
      </form>
    </main>
  );
}
