/**
 * Where the page stands, as its address says it: `#/view?name=value`. The part behind the # is never sent
 * to a server, so a link keeps the text it holds between sender and reader.
 */

export interface Place {
  readonly view: string;
  readonly params: Readonly<Record<string, string>>;
}

/** Reads what stands behind the #. Unknown text is the first view. */
export function parsePlace(hash: string): Place {
  const [path = "", query = ""] = split(hash.replace(/^#\/?/, ""));
  const params = Object.fromEntries(new URLSearchParams(query));
  // Links that were made when there were two views of a text.
  if (path === "compare") return { view: "text", params: { c: "change", ...params } };
  return { view: path, params };
}

function split(text: string): [string, string] {
  const at = text.indexOf("?");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

export function formatPlace({ view, params }: Place): string {
  const query = new URLSearchParams(params).toString();
  return `#/${view}${query === "" ? "" : `?${query}`}`;
}

class Route {
  /** Changes with every step forth and back, and with every `go`. */
  place: Place = $state.raw(parsePlace(location.hash));

  constructor() {
    addEventListener("hashchange", () => {
      this.place = parsePlace(location.hash);
    });
  }

  /** A step that "back" undoes: another view, another thing looked at. */
  go(place: Place): void {
    if (formatPlace(place) === location.hash) return;
    history.pushState(null, "", formatPlace(place));
    this.place = place;
  }

  /** Keeps the address true to what is shown, without a step: undefined and "" remove a parameter. */
  note(patch: Readonly<Record<string, string | undefined>>): void {
    const params: Record<string, string> = { ...this.place.params };
    for (const [name, value] of Object.entries(patch))
      if (value === undefined || value === "") delete params[name];
      else params[name] = value;
    const place = { view: this.place.view, params };
    const hash = formatPlace(place);
    if (hash === location.hash) return;
    history.replaceState(null, "", hash);
    this.place = place;
  }
}

export const route: Route = new Route();
