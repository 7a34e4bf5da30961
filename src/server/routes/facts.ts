/**
 * `/engram/facts` and `/engram/snapshots`: what the model was taught, while it serves. A write waits for the log and for
 * other writes; no generation waits for it.
 */
import { RequestError } from "../../errors.ts";
import type { Router } from "../router.ts";
import type { AnyStore, Fact, Facts, Taught } from "../../facts/index.ts";
import { ApiError } from "../api-error.ts";
import { forgetSchema, listSchema } from "../facts-protocol.ts";
import { checkSchema } from "../schema-error.ts";
import { forbidden, writableScope } from "../scopes.ts";
import { checkModelName, type RouteContext, type Serving } from "../serving.ts";

export function factRoutes(app: Router, context: RouteContext): void {
  app.post("/engram/facts", async (c) => {
    const serving = context.serving();
    const principal = context.principal(c.req.raw);
    const { model: asked, facts, ...one } = await context.readBody(c.req.raw, "facts");
    checkModelName(serving, asked);
    taughtOf(serving);
    const requests = (facts ?? [{ ...one, prompt: one.prompt! }]).map((fact) => ({
      ...fact,
      scope: writableScope(principal, fact.scope),
    }));
    const { signal } = c.req.raw;
    const taught = await serving.model.teach(requests, { signal, quota: principal.quota });
    return c.json({ facts: taught.map(taughtJson) });
  });

  app.get("/engram/facts", (c) => {
    const { store } = taughtOf(context.serving());
    const { scopes } = context.principal(c.req.raw);
    const { scope, after, limit } = checkSchema(listSchema, c.req.query());
    if (scope !== undefined && !(scopes?.has(scope) ?? true)) throw forbidden(scope, "read");
    const seen = scope === undefined ? scopes && [...scopes.keys()] : [scope];
    const all = store.facts(seen).map(({ fact }) => fact);
    const isLast = (fact: Fact): boolean => after === fact.id || after === placeOf(fact);
    const from = after === undefined ? 0 : all.findIndex(isLast) + 1;
    if (after !== undefined && from === 0)
      throw new RequestError(`there is no fact "${after}" to go on behind; begin the list again`);
    const page = all.slice(from, from + limit);
    const learned = store.learnedSizes(seen);
    const hasMore = from + page.length < all.length;
    return c.json({
      facts: page,
      has_more: hasMore,
      ...(hasMore && { next: placeOf(page.at(-1)!) }),
      learned,
    });
  });

  app.delete("/engram/facts", async (c) => {
    const serving = context.serving();
    const principal = context.principal(c.req.raw);
    const { id, scope, all } = checkSchema(forgetSchema, c.req.query());
    taughtOf(serving);
    const mine =
      scope === undefined && (principal.scopes === undefined || all !== undefined)
        ? undefined
        : writableScope(principal, scope);
    if (mine === undefined && !principal.isAdmin) throw forbidden("all", "write");
    const selection = { scope: mine, ...(id === undefined ? { all: true as const } : { id }) };
    const { facts, learned } = await serving.model.forget(selection);
    return c.json({ forgotten: facts.map((fact) => fact.id), learned });
  });

  app.get("/engram/snapshots", (c) => {
    const { store } = adminOf(context, c.req.raw);
    return c.json({ snapshots: snapshotsJson(store) });
  });

  app.post("/engram/snapshots", async (c) => {
    const { store } = adminOf(context, c.req.raw);
    const { name } = await context.readBody(c.req.raw, "snapshot");
    await store.snapshot(name);
    return c.json({ snapshots: snapshotsJson(store) });
  });

  app.delete("/engram/snapshots/:name", async (c) => {
    const { store } = adminOf(context, c.req.raw);
    await store.removeSnapshot(c.req.param("name"));
    return c.json({ snapshots: snapshotsJson(store) });
  });

  app.post("/engram/snapshots/:name/rollback", async (c) => {
    const { store } = adminOf(context, c.req.raw);
    await store.rollback(c.req.param("name"));
    const learned = store.learnedSizes();
    return c.json({ facts: store.facts().length, learned, snapshots: snapshotsJson(store) });
  });
}

function taughtOf({ model }: Serving): Facts {
  if (model.taught !== undefined) return model.taught;
  throw new ApiError("this server's model was opened where nothing can be taught", {
    code: "not_teachable",
  });
}

function adminOf(context: RouteContext, request: Request): Facts {
  if (context.principal(request).isAdmin) return taughtOf(context.serving());
  throw new ApiError("snapshots are of all scopes; this key is not an admin's", {
    status: 403,
    code: "admin_only",
  });
}

function taughtJson({ fact, before, after, milliseconds, ...of }: Taught): object {
  return {
    ...fact,
    chance_before: before,
    chance_after: after,
    milliseconds,
    keys: of.keys,
    shortest_key: of.shortestKey,
    longest_key: of.longestKey,
    prompt_bits: of.bits,
    ...(of.vector && {
      vector: {
        chance_before: of.vector.before,
        chance_after: of.vector.after,
        status: of.vector.status,
        layer: of.vector.layer,
        steps: of.vector.steps,
      },
    }),
  };
}

function snapshotsJson({ snapshots }: AnyStore): object[] {
  return snapshots.map(({ name, numFacts }) => ({ name, facts: numFacts }));
}

/** Other scopes may have facts of the same id. No name has a space. */
function placeOf({ scope, id }: Fact): string {
  return `${scope} ${id}`;
}
