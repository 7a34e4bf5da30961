/**
 * `/engram/inspect`: compares the model with and without its memory, token by token. `/engram/corpus` and
 * `/engram/rows`: which n-grams of an uploaded text use a row. One inspection runs at a time, since generation comes
 * first.
 */
import type { Hono } from "hono";
import { UnavailableError } from "../../errors.ts";
import { promptIdsOf, startOf } from "../../generate-text.ts";
import { CorpusIndex, inspectIds, maxInspectedIds } from "../../inspect/index.ts";
import { ApiError } from "../api-error.ts";
import { Corpora } from "../corpora.ts";
import { type InspectRequest, type RowsRequest } from "../inspect-protocol.ts";
import { checkLength, checkPrompt } from "../prompts.ts";
import { checkModelName, type RouteContext, type Serving } from "../serving.ts";

/** Most inspections that may wait. */
const mostWaiting = 16;

export function inspectRoutes(app: Hono, context: RouteContext): void {
  const inTurn = oneAtATime();
  const corpora = new Corpora();

  app.post("/engram/inspect", async (c) => {
    const serving = context.serving();
    const body = await context.readBody(c.req.raw, "inspect");
    checkModelName(serving, body.model);
    const { signal } = c.req.raw;
    const { ids, numHidden } = await idsOf(body, serving, signal);
    const { top, scale, ablate } = body;
    const report = await inTurn(signal, () =>
      inspectIds(serving.model, ids, { numHidden, top, scale, ablate, signal }),
    );
    return c.json({ model: serving.name, ...report });
  });

  app.get("/engram/corpus", (c) => {
    context.serving();
    const id = c.req.query("id");
    if (id === undefined)
      throw new ApiError("id: expected the id from the answer to the upload", {
        param: "id",
      });
    return c.json({ corpus: { id, ...corpora.find(id).report } });
  });

  app.post("/engram/corpus", async (c) => {
    const serving = context.serving();
    const memory = memoryOf(serving);
    const { name, text } = await context.readBody(c.req.raw, "corpus");
    const { tokenizer } = serving.model;
    const corpus = await inTurn(c.req.raw.signal, () =>
      CorpusIndex.build({ tokenizer, memory, name }, text),
    );
    return c.json({ corpus: { id: corpora.keep(corpus), ...corpus.report } });
  });

  app.post("/engram/rows", async (c) => {
    memoryOf(context.serving());
    const body: RowsRequest = await context.readBody(c.req.raw, "rows");
    const corpus = corpora.find(body.corpus);
    const rows = await corpus.lookUp(body.layer, body.rows);
    return c.json({ corpus: { id: body.corpus, ...corpus.report }, rows });
  });
}

function memoryOf({ model, name }: Serving) {
  if (model.rows === undefined)
    throw new ApiError(`"${name}" has no learned rows to inspect`, { code: "no_memory" });
  return model.rows;
}

async function idsOf(
  { text, ids, continuation = [] }: InspectRequest,
  { model: { tokenizer } }: Serving,
  signal: AbortSignal,
): Promise<{ ids: number[]; numHidden: number }> {
  const param = text === undefined ? "ids" : "text";
  if (text !== undefined) checkLength(text, { tokenizer, most: maxInspectedIds, param });
  const read = text === undefined ? ids! : await promptIdsOf(tokenizer, text, { signal });
  const all = [...read, ...continuation];
  if (all.length > maxInspectedIds)
    throw new ApiError(
      `${param}: ${all.length} tokens; an inspection reads at most ${maxInspectedIds}, so send less`,
      { param, code: "text_too_long" },
    );
  checkPrompt(all, { tokenizer, most: maxInspectedIds, param });
  const numHidden = text === undefined ? 0 : startOf(tokenizer, text).length;
  return { ids: all, numHidden };
}

/** Runs functions one after the other. Throws `UnavailableError` if too many are waiting. */
function oneAtATime(): <T>(signal: AbortSignal, run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return async (signal, run) => {
    if (waiting >= mostWaiting)
      throw new UnavailableError(`${waiting} inspections are waiting already; try again`, {
        code: "queue_full",
      });
    const before = last;
    const turn = (async () => {
      await before.catch(() => undefined);
      signal.throwIfAborted();
      return run();
    })();
    last = turn;
    waiting++;
    try {
      return await turn;
    } finally {
      waiting--;
    }
  };
}
