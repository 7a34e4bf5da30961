/** The model of the site and the server before it, in the page's worker. */
import {
  type CallContext,
  keptFacts,
  openInPage,
  type OpenRequest,
} from "../../src/browser/index.ts";
import { FormatError } from "../../src/errors.ts";
import { Facts, FactStore, vocabularyBytes, WholeFileLog } from "../../src/facts/index.ts";
import { TableTraffic } from "../../src/inspect/index.ts";
import type { Model } from "../../src/opened-model.ts";
import {
  createServer,
  type EngramServer,
  type HeldOut,
  parseHeldOut,
  type RunSource,
  type TrainingControl,
} from "../../src/server/index.ts";
import { markOf, vectorWriter } from "../../src/teaching/index.ts";
import type { OrtModule } from "../../src/tensor/backends/onnx/index.ts";
import type { Tokenizer } from "../../src/tokenizer/index.ts";
import type { TrainingHere } from "../../src/training-here.ts";

export interface SiteRequest extends OpenRequest {
  /** Address of the text that a visitor may train on. */
  readonly sample: string;
}

/** What answers now: the server before the model that ships, later the one before a model that was trained here. */
let serving: EngramServer;
const runs: RunSource[] = [];

function serve(
  model: Model | Promise<Model>,
  options: { heldOut: HeldOut; traffic?: TableTraffic; training: TrainingControl },
): EngramServer {
  return createServer(model, {
    ...options,
    runs,
    isLoopback: true,
    onError: (error) => console.error(error),
  });
}

/** Loads what trains when it is first asked for. */
function trainingIn(model: Promise<Model>, sample: string): TrainingControl {
  let here: TrainingHere | undefined;
  let isLoading = false;
  const make = async (): Promise<TrainingHere> => {
    const [{ TrainingHere: Here }, { findPreset }] = await Promise.all([
      import("../../src/training-here.ts"),
      import("../../src/training/index.ts"),
    ]);
    const name = new URL(sample).pathname.split("/").at(-1)!;
    return new Here({
      preset: findPreset("mini"),
      backend: async () => (await model).language.backend,
      sample: async () => ({ name, text: await (await fetch(sample)).text() }),
      onModel: (trained, summary) => {
        const heldOut = parseHeldOut({ ...summary });
        serving = serve(trained, { heldOut, training: control });
      },
    });
  };
  const control: TrainingControl = {
    state: () =>
      here?.state() ?? {
        state: isLoading ? "running" : "idle",
        step: 0,
        steps: 0,
        seconds_left: null,
        note: "",
        sample: null,
      },
    start(text) {
      if (here !== undefined) return here.start(text);
      if (isLoading) return;
      isLoading = true;
      make().then(
        (made) => {
          runs.push((here = made));
          here.start(text);
        },
        (error: unknown) => {
          isLoading = false;
          console.error(error);
        },
      );
    },
    stop: () => here?.stop(),
  };
  return control;
}

/** Resolves when requests are answered; until the model is open, with that it is loading. */
export async function begin(
  { sample, ...request }: Omit<SiteRequest, "engine">,
  context: CallContext & { readonly loading: Promise<OrtModule> },
): Promise<{ readonly fetch: EngramServer["fetch"]; readonly ready: Promise<void> }> {
  const traffic = new TableTraffic();
  let store: FactStore | undefined;
  const model = openInPage(request, {
    ...context,
    placement: { wrapStore: traffic.watch },
    openFacts: async ({ tokenizer }) => {
      store = await factsOf(request.address, tokenizer);
      return new Facts(store, { tokenizer, writerFor: (language) => vectorWriter(language) });
    },
  }).then((opened) => {
    store!.mark = markOf(opened.language);
    return opened;
  });
  const report = await fetch(`${request.address}/training.json`)
    .then((response) => response.json())
    .catch(() => undefined);
  serving = serve(model, {
    traffic,
    heldOut: parseHeldOut(report),
    training: trainingIn(model, sample),
  });
  return { fetch: (asked) => serving.fetch(asked), ready: serving.ready };
}

/** What this browser keeps; where it keeps nothing, what is taught is gone with the page. */
async function factsOf(address: string, tokenizer: Tokenizer): Promise<FactStore> {
  const bytes = await new Blob([...vocabularyBytes(tokenizer)]).arrayBuffer();
  const fingerprint = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const file = await keptFacts(address, fingerprint);
  if (file === undefined) return new FactStore();
  const log = new WholeFileLog(file, fingerprint);
  try {
    return new FactStore({ log, records: await log.read() });
  } catch (cause) {
    throw new FormatError(`${(cause as Error).message}; "Remove what was kept" begins anew`, {
      cause,
    });
  }
}
