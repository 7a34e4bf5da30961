/**
 * `/engram/corpus` and `/engram/rows`: which n-grams of a text use a row, of the one that the model was trained on or of an
 * uploaded one.
 */
import type { Router } from "../router.ts";
import { CorpusIndex } from "../../inspect/index.ts";
import { ApiError } from "../api-error.ts";
import { collisionJson } from "../collision-json.ts";
import { Corpora } from "../corpora.ts";
import type { RowsRequest } from "../memory-protocol.ts";
import { type RouteContext, type Serving } from "../serving.ts";

export function corpusRoutes(app: Router, context: RouteContext): void {
  const corpora = new Corpora();

  app.get("/engram/corpus", async (c) => {
    const found = await corpusOf(c.req.query("id"), { corpora, serving: context.serving() });
    return c.json({ corpus: found && { id: found.id, ...found.index.report } });
  });

  app.post("/engram/corpus", async (c) => {
    const serving = context.serving();
    const memory = memoryOf(serving);
    const { name, text } = await context.readBody(c.req.raw, "corpus");
    const { tokenizer } = serving.model;
    const corpus = await context.inTurn(c.req.raw.signal, () =>
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
