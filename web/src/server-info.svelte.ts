/** What the server says of itself, asked once: the model's name, sizes, its memory. */
import { ApiFailure, getJson } from "./api.ts";
import { host } from "./host.svelte.ts";

/** Of `/props`, what the page reads. */
export interface Props {
  readonly model: string;
  readonly context_size: number;
  readonly config: { readonly vocabSize: number; readonly numLayers: number };
  readonly engram: {
    /** The sizes of learned rows; absent for a memory that has counts alone. */
    readonly layerIds?: readonly number[];
    readonly maxNgramSize?: number;
    readonly numHeads?: number;
    readonly headDim?: number;
    /** Absent for a memory without counts. */
    readonly counted?: { readonly order: number; readonly bytes: number };
    readonly tables?: readonly {
      readonly layer: number;
      readonly rows: number;
      readonly row_bytes: number;
      readonly format: string;
    }[];
  } | null;
  /** Whether what it is taught outlives the server; null where nothing can be taught. */
  readonly taught: { readonly is_kept: boolean } | null;
  /** What training held out; null where it is not known. */
  readonly held_out: {
    readonly excerpts: readonly string[];
    readonly bits_per_byte: number | null;
    readonly bits_per_byte_memory_off: number | null;
    readonly bits_per_byte_trained_without: number | null;
  };
}

/** `engram dash`: training runs, and no model behind them. */
interface NoModel {
  readonly model: null;
}

class ServerInfo {
  props: Props | undefined = $state.raw();
  failure: Error | undefined = $state.raw();
  /** Undefined until the server has said anything. */
  hasModel: boolean | undefined = $state();

  /** Asks until there is an answer: while the model is loading, the server says so. */
  async load(): Promise<void> {
    this.failure = undefined;
    try {
      const props = await getJson<Props | NoModel>("props");
      this.hasModel = props.model !== null;
      if (props.model !== null) this.props = props;
    } catch (error) {
      this.hasModel ??= true;
      if (error instanceof ApiFailure && error.code === "loading")
        (host.opened ?? new Promise((resolve) => setTimeout(resolve, 500))).then(
          () => this.load(),
          // The host says why.
          () => undefined,
        );
      else this.failure = error as Error;
    }
  }
}

export const serverInfo: ServerInfo = new ServerInfo();
