/**
 * Which handler answers a method and a path, and what sees every request before that. Knows no route, no error and no
 * schema. Handlers are asked in the order in which they were added; each may leave its request to the next.
 */

/** A request with its address taken apart. */
export interface Asked {
  readonly req: {
    readonly raw: Request;
    readonly method: string;
    /** As it was sent, not decoded. */
    readonly path: string;
    header(name: string): string | undefined;
    /** Of a name that is there twice, the first. */
    query(): Record<string, string>;
    query(name: string): string | undefined;
    /** What stands in the place of `:name` in the route's path. */
    param(name: string): string;
  };
  json(value: unknown, status?: number): Response;
  text(text: string, status: number, headers: Readonly<Record<string, string>>): Response;
}

export type Handler = (
  asked: Asked,
  /** The answer of whoever comes after. Never rejects. */
  next: () => Promise<Response>,
) => Response | Promise<Response>;

interface Route {
  /** Undefined for all. */
  readonly method: string | undefined;
  readonly pattern: RegExp;
  readonly handler: Handler;
}

export class Router {
  readonly #routes: Route[] = [];
  #notFound: Handler = () => new Response(null, { status: 404 });
  #onError: (error: unknown) => Response = (error) => {
    throw error;
  };

  /**
   * `path` may have `:name` for one part, `:name+` for one part or more, and end in `/*` for itself and all below it.
   * Without a method it answers all; GET answers HEAD.
   */
  on(method: string | undefined, path: string, handler: Handler): void {
    this.#routes.push({ method, pattern: patternOf(path), handler });
  }

  use(handler: Handler): void {
    this.on(undefined, "/*", handler);
  }

  all(path: string, handler: Handler): void {
    this.on(undefined, path, handler);
  }

  get(path: string, handler: Handler): void {
    this.on("GET", path, handler);
  }

  post(path: string, handler: Handler): void {
    this.on("POST", path, handler);
  }

  delete(path: string, handler: Handler): void {
    this.on("DELETE", path, handler);
  }

  notFound(handler: Handler): void {
    this.#notFound = handler;
  }

  /** Makes the answer of a request whose handler throws. */
  onError(answer: (error: unknown) => Response): void {
    this.#onError = answer;
  }

  async fetch(raw: Request): Promise<Response> {
    const address = addressOf(raw.url);
    const method = raw.method === "HEAD" ? "GET" : raw.method;
    const answerFrom = async (at: number): Promise<Response> => {
      for (let i = at; i < this.#routes.length; i++) {
        const { method: own, pattern, handler } = this.#routes[i]!;
        const found = own === undefined || own === method ? pattern.exec(address.path) : null;
        if (found === null) continue;
        return this.#answer(handler, asked(raw, address, found.groups), () => answerFrom(i + 1));
      }
      return this.#answer(this.#notFound, asked(raw, address, {}), () => answerFrom(Infinity));
    };
    const response = await answerFrom(0);
    return raw.method === "HEAD" ? new Response(null, response) : response;
  }

  /** Where a handler throws, whoever left the request to it gets the answer that says so. */
  async #answer(handler: Handler, ...given: Parameters<Handler>): Promise<Response> {
    try {
      return await handler(...given);
    } catch (error) {
      return this.#onError(error);
    }
  }
}

/** The host may be none: whoever refuses hosts says so. */
function addressOf(url: string): { path: string; search: URLSearchParams } {
  const [, path = "/", query] = /^\w+:\/\/[^/?#]*([^?#]*)(\?[^#]*)?/.exec(url) ?? [];
  return { path, search: new URLSearchParams(query) };
}

function asked(
  raw: Request,
  { path, search }: ReturnType<typeof addressOf>,
  params: Readonly<Record<string, string>> = {},
): Asked {
  function query(): Record<string, string>;
  function query(name: string): string | undefined;
  function query(name?: string): Record<string, string> | string | undefined {
    return name === undefined
      ? Object.fromEntries([...search].toReversed())
      : (search.get(name) ?? undefined);
  }
  return {
    req: {
      raw,
      method: raw.method,
      path,
      header: (name) => raw.headers.get(name) ?? undefined,
      query,
      param: (name) => decoded(params[name]!),
    },
    json: (value, status = 200) =>
      new Response(JSON.stringify(value), {
        status,
        headers: { "content-type": "application/json" },
      }),
    text: (text, status, headers) => new Response(text, { status, headers }),
  };
}

function patternOf(path: string): RegExp {
  const own = path
    .replace(/\/\*$/, "")
    .replaceAll(".", String.raw`\.`)
    .replaceAll(/:(\w+)(\+?)/g, (_, name: string, more: string) =>
      more === "" ? `(?<${name}>[^/]+)` : `(?<${name}>.+)`,
    );
  return new RegExp(`^${own}${path.endsWith("/*") ? "(?:/.*)?" : "/?"}$`);
}

/** A name that nobody can have encoded stands for itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
