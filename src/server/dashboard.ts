/**
 * The page and training runs without a model, as `engram dash` serves them. A function from request to response, as the
 * server is. Loads no model and has no routes that need one.
 */
import { Router } from "./router.ts";
import { guard } from "./access.ts";
import { answerErrors, reporter } from "./answer-errors.ts";
import { ApiError } from "./api-error.ts";
import { routes } from "./route-table.ts";
import { pageRoutes } from "./routes/page.ts";
import { runRoutes } from "./routes/runs.ts";
import type { ServerOptions } from "./serving.ts";

export type DashboardOptions = Required<Pick<ServerOptions, "runs" | "version">> &
  Pick<ServerOptions, "page" | "isLoopback" | "onError">;

export interface Dashboard {
  /** Answers; never rejects. */
  readonly fetch: (request: Request) => Promise<Response>;
}

export function createDashboard(options: DashboardOptions): Dashboard {
  const { runs, version, page, isLoopback = false, onError } = options;
  const report = reporter(onError);
  const app = new Router();
  guard(app, { isLoopback });
  app.get("/health", (c) => c.json({ status: "ok" }));
  app.get("/version", (c) => c.json({ version }));
  // The page asks for this first, and then shows only what is available.
  app.get("/props", (c) => c.json({ model: null }));
  runRoutes(app, { options: { runs } });
  pageRoutes(app, { options: page === undefined ? {} : { page }, report });
  // The routes of a server with a model.
  for (const { method, path } of routes)
    app.on(method.toUpperCase(), path.replace("{name}", ":name"), () => {
      throw new ApiError(
        "there is no model here, only training runs; engram serve MODEL opens one",
        { status: 404, code: "no_model" },
      );
    });
  answerErrors(app, report);
  return { fetch: async (request) => app.fetch(request) };
}
