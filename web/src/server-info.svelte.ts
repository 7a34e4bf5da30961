/** What the server says of itself, asked once: the model's name, sizes, its memory. */
import { getJson } from "./api.ts";

/** Of `/props`, what the page reads. */
export interface Props {
  readonly model: string;
  readonly context_size: number;
  readonly config: { readonly vocabSize: number; readonly numLayers: number };
  readonly engram: {
    readonly layerIds: readonly number[];
    readonly maxNgramSize: number;
    readonly numHeads: number;
    readonly headDim: number;
    readonly tables?: readonly {
      readonly layer: number;
      readonly rows: number;
      readonly row_bytes: number;
      readonly format: string;
    }[];
  } | null;
}

class ServerInfo {
  props: Props | undefined = $state.raw();
  failure: Error | undefined = $state.raw();

  async load(): Promise<void> {
    try {
      this.failure = undefined;
      this.props = await getJson<Props>("props");
    } catch (error) {
      this.failure = error as Error;
    }
  }
}

export const serverInfo: ServerInfo = new ServerInfo();
