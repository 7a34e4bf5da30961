/** Opens a model in a page's worker. Answers no calls, and fetches nothing itself. */
import type { ByteSource } from "../bytes/index.ts";
import { type Engine, openModel, type Placement } from "../open-model.ts";
import type { Model } from "../opened-model.ts";
import { type OrtModule, wasmBackend } from "../tensor/backends/onnx/index.ts";
import type { EngineFiles } from "./engine.ts";

export interface OpenRequest {
  readonly address: string;
  readonly engine: EngineFiles;
  readonly threads: number;
  readonly keepBytes: number;
  readonly memory?: boolean;
  readonly tableMemory?: number;
}

/** Opens a model on this thread, while its engine is loading. */
export async function openInPage(
  source: Promise<ByteSource>,
  { threads, memory, tableMemory }: Pick<OpenRequest, "threads" | "memory" | "tableMemory">,
  {
    loading,
    placement,
    openFacts,
  }: { readonly loading: Promise<OrtModule>; readonly placement?: Placement } & Pick<
    Engine,
    "openFacts"
  >,
): Promise<Model> {
  const engine = wasmBackend({ threads, load: () => loading });
  // It starts when it has come, while the model's files are still on their way. Whoever waits for it is told of failures.
  engine.ready!().catch(() => undefined);
  return openModel(
    await source,
    {
      backend: () => engine,
      ...(openFacts && { openFacts }),
    },
    {
      ...placement,
      ...(memory !== undefined && { memory }),
      ...(tableMemory !== undefined && { tableMemory }),
    },
  );
}
