// By itself, as the decoders' worker needs nothing else of the pages.

/** Where a socket of ours is. */
export function socketURL(path: string): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/${path}`;
}
