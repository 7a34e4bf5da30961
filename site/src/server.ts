/** The model of the site and the server before it, in the page's worker. */
import type { ByteSource } from "../../src/bytes/index.ts";
import {
  type CallContext,
  openInPage,
  type OpenRequest,
  sourceInPage,
} from "../../src/browser/index.ts";
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
import type { OrtModule } from "../../src/tensor/backends/onnx/index.ts";
import type {
  TrainingHere,
  TrainingHereOptions,
  TrainingHereState,
} from "../../src/training-here.ts";
import { type WhenNeeded, whenNeeded } from "../../src/when-needed.ts";
import { type FactsInPage, factsInPage } from "./kept-facts.ts";

export interface SiteRequest extends OpenRequest {
  readonly isPacked: boolean;
  /** Address of the text that a visitor may train on. */
  readonly sample: string;
}

/** What answers now: the server before the model that ships, later the one before a model that was trained here. */
let serving: EngramServer;
const trainedHere: RunSource[] = [];
let ownRun: WhenNeeded<RunSource | undefined>;
const idle: TrainingHereState = {
  state: "idle",
  step: 0,
  steps: 0,
  seconds_left: null,
  note: "",
  sample: null,
};

/** That of the model comes over the network: without it there are the others. */
async function runs(): Promise<readonly RunSource[]> {
  try {
    const own = await ownRun();
    return own === undefined ? trainedHere : [own, ...trainedHere];
  } catch (error) {
    if (trainedHere.length === 0) throw error;
    return trainedHere;
  }
}

async function readOwnRun(source: ByteSource, address: string): Promise<RunSource | undefined> {
  const name = new URL(address).pathname.split("/").at(-1)!;
  return (await import("./own-run.ts")).ownRun(source, name);
}

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
  /** What is said until it has come. */
  let before: TrainingHereState = idle;
  const onModel: TrainingHereOptions["onModel"] = (trained, summary) => {
    serving = serve(trained, { heldOut: parseHeldOut({ ...summary }), training: control });
  };
  const make = whenNeeded(async () =>
    (await import("./own-training.ts")).trainingInPage(model, { sample, onModel }),
  );
  const control: TrainingControl = {
    state: () => here?.state() ?? before,
    start(text) {
      if (here !== undefined) return here.start(text);
      const turn: TrainingHereState = { ...idle, state: "running", note: "loading what trains" };
      before = turn;
      make().then(
        (made) => {
          // Stopped meanwhile, or begun anew.
          if (before !== turn) return;
          trainedHere.push((here = made));
          here.start(text);
        },
        () => {
          if (before === turn)
            before = { ...idle, state: "failed", note: "a file of the page did not come" };
        },
      );
    },
    stop() {
      if (here !== undefined) here.stop();
      else before = { ...idle, state: "stopped" };
    },
  };
  return control;
}

/** Resolves when requests are answered; until the model is open, with that it is loading. */
export async function begin(
  { sample, ...request }: Omit<SiteRequest, "engine">,
  context: CallContext & { readonly loading: Promise<OrtModule> },
): Promise<{ readonly fetch: EngramServer["fetch"]; readonly ready: Promise<void> }> {
  const traffic = new TableTraffic();
  let kept: FactsInPage | undefined;
  const source = sourceInPage(request, context);
  ownRun = whenNeeded(async () => readOwnRun(await source, request.address));
  const opening: Promise<Model> = openInPage(source, request, {
    loading: context.loading,
    placement: { wrapStore: traffic.watch },
    openFacts: async ({ tokenizer }) => {
      const language = async (): Promise<Model["language"]> => (await opening).language;
      kept = await factsInPage(request.address, { tokenizer, language });
      return kept.facts;
    },
  });
  const model = opening.then(async (opened) => {
    if (kept?.areSome === true) await kept.facts.load();
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
