/** `/`: the inspector page and its files. The page gets its data from the other routes. */
import { whenNeeded } from "../../when-needed.ts";
import type { Router } from "../router.ts";
import { ApiError, methodNotAllowed } from "../api-error.ts";
import { type Page, pageResponse } from "../page.ts";
import { isPagePath } from "../page-paths.ts";
import type { RouteContext } from "../serving.ts";

export function pageRoutes(
  app: Router,
  {
    options: { page: load },
    report,
  }: { readonly options: Pick<RouteContext["options"], "page">; report(error: unknown): void },
): void {
  if (load === undefined) return;
  const loaded = whenNeeded(load);
  const page = async (): Promise<Page> => {
    try {
      return await loaded();
    } catch (error) {
      report(error);
      throw new ApiError("the inspector page could not be loaded; the server's log says why", {
        status: 503,
        code: "no_page",
      });
    }
  };
  app.use(async (c, next) => {
    const { method } = c.req;
    if (!isPagePath(c.req.path)) return next();
    if (method !== "GET" && method !== "HEAD")
      throw methodNotAllowed(method, { path: c.req.path, allowed: ["GET"] });
    const path = c.req.path === "/" ? "index.html" : c.req.path.slice(1);
    const file = (await page()).get(path);
    if (file === undefined) return next();
    const acceptsGzip = /\bgzip\b/.test(c.req.header("accept-encoding") ?? "");
    return pageResponse(file, { path, acceptsGzip });
  });
}
