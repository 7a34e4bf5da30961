/** Opens a model in a page's worker, from where this browser keeps it or from its address. Answers no calls. */
import { httpSource } from "../bytes/index.ts";
import { keptSource } from "../checkpoint/index.ts";
import { type Engine, openModel, type Placement } from "../open-model.ts";
import type { Model } from "../opened-model.ts";
import { type OrtModule, wasmBackend } from "../tensor/backends/onnx/index.ts";
import type { CallContext } from "./calls.ts";
import type { EngineFiles } from "./engine.ts";
import { opfsFolder } from "./opfs.ts";
import { fetchWithProgress } from "./progress.ts";

export interface OpenRequest {
  readonly address: string;
  readonly engine: EngineFiles;
  readonly threads: number;
  readonly keepBytes: number;
  readonly memory?: boolean;
  readonly tableMemory?: number;
}

/** Milliseconds for one answer of a slow network. */
const TIMEOUT = 120_000;

/** Opens a model on this thread, while its engine is loading. `tell` hears the progress. */
export async function openInPage(
  { address, threads, keepBytes, ...asked }: Omit<OpenRequest, "engine">,
  {
    signal,
    tell,
    loading,
    placement,
    openFacts,
  }: CallContext & {
    readonly loading: Promise<OrtModule>;
    readonly placement?: Placement;
  } & Pick<Engine, "openFacts">,
): Promise<Model> {
  // Whoever waits for the backend is told.
  loading.catch(() => undefined);
  const fetch = fetchWithProgress(tell);
  const source = httpSource(address, { fetch, signal, timeout: TIMEOUT });
  const folder = keepBytes > 0 ? await opfsFolder(address) : undefined;
  return openModel(
    folder === undefined ? source : keptSource(source, { folder, mostBytes: keepBytes }),
    {
      backend: () => wasmBackend({ threads, load: () => loading }),
      ...(openFacts && { openFacts }),
    },
    { ...placement, ...asked },
  );
}
