// HTTP under /api/v1. An error is what the server's problem document says.
import { lang, t } from "./i18n";

export class Problem extends Error {
  constructor(readonly status: number, readonly title: string, readonly detail = "", readonly code = "", readonly params: Record<string, unknown> = {}) {
    super(detail || title);
  }
}

/** Comes with the first refusal. */
let words: typeof import("./problems") | undefined;

/** Why something was not done, in the language of the screen. */
export function whyNot(e: unknown): string {
  if (!(e instanceof Problem)) return e instanceof Error ? e.message : String(e);
  if (e.status === 0) return t("unreachable");
  return words?.inWords(e.code, e.params, lang.value) || e.message;
}

/** Status 0 is a network that did not answer. */
export async function api<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch("/api/v1/" + path, {
      method,
      signal,
      credentials: "same-origin",
      headers: body === undefined ? { Accept: "application/json" } : { Accept: "application/json", "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new Problem(0, "unreachable");
  }
  const type = response.headers.get("Content-Type") ?? "";
  const answer = type.includes("json") ? await response.json() : null;
  if (!response.ok) {
    words ??= await import("./problems").catch(() => undefined); // without them the server's own English stands
    throw new Problem(response.status, answer?.title ?? response.statusText, answer?.detail, answer?.code, answer?.params);
  }
  return answer as T;
}

/** A list answer, whether bare or under its name. */
export async function list<T>(name: string): Promise<T[]> {
  const answer = await api<any>("GET", name);
  const rows = Array.isArray(answer) ? answer : (answer?.[name] ?? []);
  return Array.isArray(rows) ? rows : Object.entries(rows).map(([id, row]) => ({ id, ...(row as object) }) as T);
}
