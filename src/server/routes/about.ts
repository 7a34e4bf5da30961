/** Routes about the server itself: health, models, properties, version, metrics, OpenAPI document. */
import type { Router } from "../router.ts";
import { checkModelName, type HeldOut, type RouteContext, type Serving } from "../serving.ts";

export function aboutRoutes(app: Router, context: RouteContext): void {
  app.get("/health", (c) => {
    context.serving();
    return c.json({ status: "ok" });
  });

  app.get("/v1/models", (c) => c.json({ object: "list", data: [modelCard(context.serving())] }));

  app.get("/v1/models/:name+", (c) => {
    const serving = context.serving();
    checkModelName(serving, c.req.param("name"));
    return c.json(modelCard(serving));
  });

  app.get("/props", (c) => {
    const { model, name, scheduler, chat } = context.serving();
    const { engram, ...config } = model.config;
    return c.json({
      model: name,
      total_slots: scheduler.parallel,
      context_size: scheduler.contextSize,
      chat_template: chat?.source ?? null,
      config,
      engram: model.hasMemory
        ? {
            ...engram,
            ...(model.counts !== undefined && {
              counted: {
                order: model.counts.table.order,
                bytes: model.counts.numBytes,
              },
            }),
            ...(model.packs !== undefined && { packs: model.packs.names }),
            tables: (model.rows?.tables ?? []).map(({ layerId, store, format }) => ({
              layer: layerId,
              rows: store.numRows,
              row_bytes: store.rowBytes,
              format: format.name,
            })),
          }
        : null,
      taught: model.taught ? { is_kept: model.taught.store.place !== undefined } : null,
      held_out: heldOutJson(context.options.heldOut),
    });
  });

  app.get("/version", (c) => c.json({ version: context.options.version }));

  // Read by tools, not by pages: they need not load these two.
  app.get("/metrics", async (c) => {
    const serving = context.serving();
    const { metricsText } = await import("../metrics.ts");
    return c.text(metricsText(serving), 200, {
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
    });
  });

  app.get("/openapi.json", async (c) => {
    const { openApi } = await import("../openapi.ts");
    return c.json(openApi(context.options.version));
  });
}

function heldOutJson({
  excerpts = [],
  bitsPerByte,
  memoryOff,
  trainedWithout,
}: HeldOut = {}): object {
  return {
    excerpts,
    bits_per_byte: bitsPerByte ?? null,
    bits_per_byte_memory_off: memoryOff ?? null,
    bits_per_byte_trained_without: trainedWithout ?? null,
  };
}

function modelCard({ name, created, scheduler }: Serving): object {
  return {
    id: name,
    object: "model",
    created,
    owned_by: "engram",
    max_model_len: scheduler.contextSize,
  };
}
