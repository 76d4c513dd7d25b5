// HTTP under /api/v1. An error is what the server's problem document says.

export class Problem extends Error {
  constructor(readonly status: number, readonly title: string, readonly detail: string) {
    super(detail || title);
  }
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
    throw new Problem(0, "unreachable", "");
  }
  const type = response.headers.get("Content-Type") ?? "";
  const answer = type.includes("json") ? await response.json() : null;
  if (!response.ok) throw new Problem(response.status, answer?.title ?? response.statusText, answer?.detail ?? "");
  return answer as T;
}

/** A list answer, whether bare or under its name. */
export async function list<T>(name: string): Promise<T[]> {
  const answer = await api<any>("GET", name);
  const rows = Array.isArray(answer) ? answer : (answer?.[name] ?? []);
  return Array.isArray(rows) ? rows : Object.entries(rows).map(([id, row]) => ({ id, ...(row as object) }) as T);
}

/** Where a socket of ours is. */
export function socketURL(path: string): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/${path}`;
}
