/** Links to what is shown: the state stands behind the #, which no server is told. Knows addresses; no view. */
import { formatPlace, type Place } from "./route.svelte.ts";

let isFramed = false;

/** Says that other pages may show this one in a frame: the static site may be, a server's page never. */
export function allowFrames(): void {
  isFramed = true;
}

export function mayBeFramed(): boolean {
  return isFramed;
}

/** In the address of a page in a frame: it shows the view alone. */
export const embedded = "e";

/** The whole address of a place, as a page of its own. */
export function linkTo({ view, params }: Place): string {
  const own = Object.fromEntries(Object.entries(params).filter(([name]) => name !== embedded));
  return new URL(formatPlace({ view, params: own }), document.baseURI).href;
}

/** What another page shows the place with. */
export function snippetOf({ view, params }: Place, title: string): string {
  const address = linkTo({ view, params }).replace(/#.*/, "");
  const place = formatPlace({ view, params: { ...params, [embedded]: "1" } });
  const quoted = (text: string): string => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  return `<iframe src="${quoted(address + place)}" title="${quoted(title)}" width="100%" height="900" loading="lazy"></iframe>`;
}

/** Whether nobody else can open this page's links. */
export function isOnThisMachine(): boolean {
  return /^(localhost|127\.|\[::1\])/.test(location.hostname);
}
