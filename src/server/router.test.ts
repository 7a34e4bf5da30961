import assert from "node:assert/strict";
import test from "node:test";
import { Hono } from "hono/tiny";
import { cors as honoCors } from "hono/cors";
import { cors } from "./cors.ts";
import { Router } from "./router.ts";

/** What both have of a handler's view of a request. */
interface Seen {
  readonly req: {
    readonly raw: Request;
    readonly method: string;
    query(): object;
    query(name: string): string | undefined;
    param(name: string): string | undefined;
    header(name: string): string | undefined;
  };
}

const said = (where: string, { req }: Seen, param?: string): Response =>
  new Response(
    JSON.stringify({
      where,
      method: req.method,
      query: Object.entries(req.query()).toSorted(),
      a: req.query("a") ?? null,
      type: req.header("content-type") ?? null,
      ...(param !== undefined && { param: req.param(param) }),
    }),
    { headers: { "content-type": "application/json", "x-where": where } },
  );

function ours(origins: readonly string[]): { fetch(request: Request): Promise<Response> } {
  const app = new Router();
  if (origins.length > 0) app.use(cors(origins));
  app.get("/a", (c) => said("a", c));
  app.post("/a", (c) => said("post a", c));
  app.get("/m/:name+", (c) => said("m", c, "name"));
  app.delete("/s/:name", (c) => said("s", c, "name"));
  app.post("/s/:name/back", (c) => said("back", c, "name"));
  app.all("/later/*", (c) => said("later", c));
  app.get("/breaks", () => {
    throw new Error("broken");
  });
  app.all("/*", (c, next) => (c.req.path === "/star" ? said("star", c) : next()));
  app.get("/after", (c) => said("after", c));
  app.get("/with.dot", (c) => said("dot", c));
  app.notFound((c) => new Response(`no ${c.req.method}`, { status: 404 }));
  app.onError((error) => new Response((error as Error).message, { status: 500 }));
  return app;
}

/** The same by another hand. */
function theirs(origins: string[]): { fetch(request: Request): Promise<Response> } {
  const app = new Hono();
  if (origins.length > 0)
    app.use(
      honoCors({
        origin: origins.includes("*") ? "*" : origins,
        allowMethods: ["GET", "HEAD", "POST", "DELETE"],
      }),
    );
  app.get("/a", (c) => said("a", c));
  app.post("/a", (c) => said("post a", c));
  app.get("/m/:name{.+}", (c) => said("m", c, "name"));
  app.delete("/s/:name", (c) => said("s", c, "name"));
  app.post("/s/:name/back", (c) => said("back", c, "name"));
  app.all("/later/*", (c) => said("later", c));
  app.get("/breaks", () => {
    throw new Error("broken");
  });
  app.all("*", async (c, next) => (c.req.path === "/star" ? said("star", c) : next()));
  app.get("/after", (c) => said("after", c));
  app.get("/with.dot", (c) => said("dot", c));
  app.notFound((c) => new Response(`no ${c.req.method}`, { status: 404 }));
  app.onError((error) => new Response(error.message, { status: 500 }));
  return { fetch: async (request) => app.fetch(request) };
}

const friend = "http://friend.example";
const paths =
  "/ /a /a/ /ab /A /a?a=1&a=2&b=%20x+y /a?a /a?x=1&__proto__=2 " +
  "/m/x /m/org/x /m/org%2Fx /m/%C3%A9%E2%82%AC /m/100%25 /m/ " +
  "/s/x /s/x/ /s/x/y /s/x/back /s/a%20b/back /s//back " +
  "/later /later/ /later/x /later/x/y /star /after /withXdot /with.dot /breaks /nothing";

for (const origins of [[], [friend], ["*"]])
  test(`methods and paths lead where another router leads them, origins: ${origins}`, async () => {
    const [one, other] = [ours(origins), theirs(origins)];
    for (const path of paths.split(" "))
      for (const method of ["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS"])
        for (const origin of [undefined, friend, "http://evil.example"]) {
          const request = (): Request =>
            new Request(`http://localhost:8080${path}`, {
              method,
              headers: {
                ...(origin !== undefined && { origin }),
                ...(method === "OPTIONS" && { "access-control-request-headers": "x-a,x-b" }),
              },
            });
          const [got, expected] = await Promise.all([one.fetch(request()), other.fetch(request())]);
          const shown = async (response: Response): Promise<object> => ({
            status: response.status,
            headers: Object.fromEntries(response.headers),
            text: await response.text(),
          });
          assert.deepEqual(
            await shown(got),
            await shown(expected),
            `${method} ${path} from ${origin}`,
          );
        }
  });
