/**
 * `/engram/memory`: the served model's tables and counts, their reads, maps of rows, and how many n-grams share a row.
 * The size of an answer is bounded, however large a table is.
 */
import type { Router } from "../router.ts";
import type { MemoryInspector, TableReport, TableTraffic, TextPiece } from "../../inspect/index.ts";
import type { Model } from "../../opened-model.ts";
import { promptIdsOf } from "../../prompt-ids.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import { ApiError } from "../api-error.ts";
import { collisionJson, shortened } from "../collision-json.ts";
import { binsSchema, type BinsQuery } from "../memory-protocol.ts";
import { checkSchema } from "../schema-error.ts";
import type { RouteContext } from "../serving.ts";

/** Length of a piece of text in UTF-16 units. */
const pieceLength = 16_384;

export function memoryRoutes(app: Router, context: RouteContext): void {
  const inspector = async (): Promise<MemoryInspector> => {
    const { inspector: find, model } = context.serving();
    if (find !== undefined) return find();
    throw new ApiError(
      model.counts === undefined
        ? "this model has no memory to inspect"
        : "this model's memory has counts and no learned rows; GET /engram/memory says what they are",
      { code: "no_memory" },
    );
  };

  app.get("/engram/memory", async (c) => {
    const { inspector: find, model, traffic } = context.serving();
    const found = await find?.();
    return c.json({
      since: traffic === undefined || !model.hasMemory ? null : traffic.since / 1000,
      tables: found?.tables().map(tableJson) ?? [],
      counts: model.counts === undefined ? null : countsJson(model.counts, traffic),
    });
  });

  app.get("/engram/memory/rows", async (c) => {
    const { layer, ...bins } = binsOf(c.req.query());
    const found = await (await inspector()).rows(layer, bins, { signal: c.req.raw.signal });
    return c.json({
      layer,
      ...bins,
      sampled: [...found.sampled],
      non_zero: [...found.nonZero],
      mean_norm: Array.from(found.meanNorm, shortened),
      max_norm: Array.from(found.maxNorm, shortened),
    });
  });

  app.get("/engram/memory/reads", async (c) => {
    const { layer, ...bins } = binsOf(c.req.query());
    const reads = (await inspector()).reads(layer, bins);
    return c.json({
      layer,
      ...bins,
      reads: reads === undefined ? null : [...reads].map(shortened),
    });
  });

  app.get("/engram/memory/fill", async (c) => {
    const found = await inspector();
    const fills = [];
    for (const { layer } of found.tables()) {
      const buckets = await found.fill(layer);
      fills.push({
        layer,
        buckets: buckets.map(({ nonZero, meanNorm, maxNorm, ngrams, ...bucket }) => ({
          ...bucket,
          non_zero: nonZero,
          mean_norm: shortened(meanNorm),
          max_norm: shortened(maxNorm),
          estimated_ngrams: Number.isFinite(ngrams) ? Math.round(ngrams) : null,
        })),
      });
    }
    return c.json({ tables: fills });
  });

  app.get("/engram/memory/collisions", async (c) =>
    c.json(collisionJson((await inspector()).collisions())),
  );

  app.post("/engram/memory/collisions", async (c) => {
    const { tokenizer } = context.serving().model;
    const found = await inspector();
    const { text } = await context.readBody(c.req.raw, "collisions");
    const documents = typeof text === "string" ? [text] : text;
    return c.json(collisionJson(await found.collisionsOf(piecesOf(documents, tokenizer))));
  });
}

/** The token ids of texts, in pieces that take a few milliseconds each, however long a text is. */
async function* piecesOf(
  documents: readonly string[],
  tokenizer: Tokenizer,
): AsyncGenerator<TextPiece> {
  for (const document of documents) {
    let at = cutAfter(document, 0);
    yield { ids: await promptIdsOf(tokenizer, document.slice(0, at)), isContinued: false };
    while (at < document.length) {
      const end = cutAfter(document, at);
      yield { ids: await tokenizer.encode(document.slice(at, end)), isContinued: true };
      at = end;
    }
  }
}

/** Where a piece that begins at `at` ends: before white space if possible, since tokens end there too. */
function cutAfter(text: string, at: number): number {
  const rest = text.slice(at + pieceLength, at + 2 * pieceLength);
  const space = rest.search(/(?<=\S)\s/);
  const end = Math.min(text.length, at + pieceLength + Math.max(0, space));
  // Not within a character of two units.
  return text.slice(at, end).isWellFormed() ? end : end - 1;
}

function binsOf(query: Record<string, string>): BinsQuery {
  return checkSchema(binsSchema, query);
}

/** Counts are found in blocks, whose numbers say nothing of what is in them. */
function countsJson(
  { table, numContexts, numBytes, inputs }: NonNullable<Model["counts"]>,
  traffic: TableTraffic | undefined,
): object {
  const { layerId } = inputs[0]!;
  const { order, buckets } = table;
  return {
    order,
    estimated_contexts: numContexts,
    bytes: numBytes,
    blocks: buckets.numRows,
    block_bytes: buckets.rowBytes,
    ...trafficJson(traffic?.tiersOf(layerId) ?? [], traffic?.cacheOf(layerId)),
  };
}

function tableJson({ tiers, cache, buckets, ...table }: TableReport): object {
  return {
    layer: table.layer,
    rows: table.rows,
    row_bytes: table.rowBytes,
    bytes: table.rows * table.rowBytes,
    format: table.format,
    head_dim: table.headDim,
    buckets: buckets.map(({ order, head, firstRow, rows }) => ({
      order,
      head,
      first_row: firstRow,
      rows,
    })),
    ...trafficJson(tiers, cache),
  };
}

function trafficJson(
  tiers: TableReport["tiers"],
  cache: TableReport["cache"],
): { tiers: object[]; cache: object | null } {
  return {
    tiers: tiers.map((tier) => ({
      name: tier.name,
      reads: tier.reads,
      rows_read: tier.rowsRead,
      bytes_read: tier.bytesRead,
      failures: tier.failures,
      in_flight: tier.inFlight,
      milliseconds: {
        total: tier.readTime.total,
        p50: tier.readTime.p50,
        p99: tier.readTime.p99,
        max: tier.readTime.max,
      },
      histogram: tier.readTimes.map(({ upTo, count }) => [shortened(upTo), count]),
    })),
    cache: cache === undefined ? null : { ...snakeCased(cache) },
  };
}

function snakeCased(record: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}
