// Client-side routes: the path and its query are signals.
import { signal } from "@preact/signals";

export const path = signal(location.pathname);
export const query = signal(new URLSearchParams(location.search));

function read(): void {
  path.value = location.pathname;
  query.value = new URLSearchParams(location.search);
}
addEventListener("popstate", read);

export function go(to: string, replace = false): void {
  history[replace ? "replaceState" : "pushState"](null, "", to);
  read();
  if (!replace) scrollTo(0, 0);
}

// Plain links stay plain links; only an ordinary click within the site is ours.
document.addEventListener("click", (e) => {
  const a = (e.target as Element | null)?.closest?.("a");
  if (!a || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || a.target || a.hasAttribute("download")) return;
  if (a.origin !== location.origin || a.pathname.startsWith("/api/") || a.hash) return;
  e.preventDefault();
  go(a.pathname + a.search);
});

/** Where somebody of this role begins. */
export function home(role: string, scope: string): string {
  switch (role) {
    case "duty": case "district": return "/district/" + encodeURIComponent(scope);
    case "analyst": return "/explore";
    case "operator": return "/devices";
    default: return "/wall";
  }
}
