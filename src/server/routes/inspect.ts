/**
 * `/engram/inspect`: compares the model with and without its memory, token by token. `/engram/corpus` and
 * `/engram/rows`: which n-grams of an uploaded text use a row. One inspection runs at a time, since generation comes
 * first.
 */
import type { Hono } from "hono/tiny";
import { UnavailableError } from "../../errors.ts";
import { promptIdsOf, startOf } from "../../generate-text.ts";
import { CorpusIndex, inspectIds, maxInspectedIds } from "../../inspect/index.ts";
import { ApiError } from "../api-error.ts";
import { Corpora } from "../corpora.ts";
import { type InspectRequest, type RowsRequest } from "../inspect-protocol.ts";
import { collisionJson } from "../collision-json.ts";
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

  app.get("/engram/corpus", async (c) => {
    const found = await corpusOf(c.req.query("id"), { corpora, serving: context.serving() });
    return c.json({ corpus: found && { id: found.id, ...found.index.report } });
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
    const serving = context.serving();
    memoryOf(serving);
    const body: RowsRequest = await context.readBody(c.req.raw, "rows");
    const found = await corpusOf(body.corpus, { corpora, serving });
    if (found === null)
      throw new ApiError(
        "this model does not say which n-grams its text had; upload a text, and give the id of the answer",
        { status: 404, code: "no_corpus" },
      );
    const { id, index } = found;
    const { layer, rows, area } = body;
    return c.json({
      corpus: { id, ...index.report },
      ...(rows !== undefined && { rows: await index.lookUp(layer, rows) }),
      ...(area !== undefined && { area: { ...area, ...(await index.area(layer, area)) } }),
    });
  });

  app.get("/engram/corpus/collisions", async (c) => {
    const found = await corpusOf(c.req.query("id"), { corpora, serving: context.serving() });
    return c.json({ collisions: found && collisionJson(await found.index.collisions()) });
  });
}

/** The text that the model was trained on goes by this id. */
const ownId = "model";

/** A corpus by the id of its upload; without one, the text that the model was trained on, or null if it does not say. */
async function corpusOf(
  id: string | undefined,
  { corpora, serving }: { corpora: Corpora; serving: Serving },
): Promise<{ id: string; index: CorpusIndex } | null> {
  if (id !== undefined && id !== ownId) return { id, index: corpora.find(id) };
  const index = await serving.corpus();
  return index === undefined ? null : { id: ownId, index };
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
