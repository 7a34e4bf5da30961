/** `randomModel` with everything that a trainer changes, and a stream of short documents of its ids to train on. */
import type { TokenStream } from "../../src/inference/index.ts";
import { RamStore, TrainableHashedMemory } from "../../src/memory/index.ts";
import {
  type ModelConfig,
  paramLayout,
  paramViews,
  type TrainedPart,
} from "../../src/model/index.ts";
import type { Backend } from "../../src/tensor/index.ts";
import { flatArrays, type TrainableModel, type TrainingState } from "../../src/training/index.ts";
import { randomModel } from "./random-model.ts";

/** Documents start with the token `config.documentStart`. */
export async function trainableModel(
  backend: Backend,
  config: ModelConfig & { readonly documentStart: number },
  train: TrainedPart = "all",
): Promise<{ model: TrainableModel; state: TrainingState; stream: TokenStream }> {
  const drawn = await randomModel(backend, config);
  const layout = paramLayout(config, train);
  const params = new Float32Array(layout.length);
  for (const [name, { data }] of Object.entries(paramViews(layout, params)))
    (data as Float32Array).set(drawn.params[name]!.data as Float32Array);
  const arrays = flatArrays(layout, params);
  const memory = new TrainableHashedMemory(
    drawn.memory!,
    drawn.memory!.tables.map(({ store: { numRows } }) => ({
      moments: new RamStore({ numRows, rowBytes: 4 }),
      uses: new RamStore({ numRows, rowBytes: 1 }),
    })),
  );
  const documents = Array.from({ length: 40 }, (_, d) => [
    config.documentStart,
    ...Array.from({ length: 4 + ((d * 7) % 11) }, (__, i) => ((d * i * i + 3 * i + d) % 32) + 7),
  ]);
  const ids = documents.flat();
  let at = 0;
  const starts = Uint32Array.from(documents, ({ length }) => (at += length) - length);
  return {
    model: { ...drawn, params: { ...drawn.params, ...paramViews(layout, params) }, memory },
    state: { layout, arrays, step: 0 },
    stream: { tokens: Uint16Array.from(ids), starts, numBytes: ids.length },
  };
}
