/** What the server says of itself, asked once: the model's name, sizes, its memory. */
import { ApiFailure, getJson } from "./api.ts";

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

  /** `engram dash`: training runs, and no model behind them. */
  get hasNoModel(): boolean {
    return this.failure instanceof ApiFailure && this.failure.code === "no_model";
  }

  /** Asks until there is an answer: while the model is loading, the server says so. */
  async load(): Promise<void> {
    this.failure = undefined;
    try {
      this.props = await getJson<Props>("props");
    } catch (error) {
      if (error instanceof ApiFailure && error.code === "loading")
        setTimeout(() => void this.load(), 500);
      else this.failure = error as Error;
    }
  }
}

export const serverInfo: ServerInfo = new ServerInfo();
