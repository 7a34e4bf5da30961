/** What trains a model in the page. Loaded when somebody first asks for it. Knows no server. */
import { pageFacts } from "../../src/browser/index.ts";
import { StoreError } from "../../src/errors.ts";
import type { Model } from "../../src/opened-model.ts";
import { TrainingHere, type TrainingHereOptions } from "../../src/training-here.ts";
import { findPreset } from "../../src/training/index.ts";

interface OwnTrainingOptions extends Pick<TrainingHereOptions, "onModel"> {
  /** Address of the text where none is given. */
  readonly sample: string;
}

/** On the backend of `model`. */
export function trainingInPage(
  model: Promise<Model>,
  { sample, onModel }: OwnTrainingOptions,
): TrainingHere {
  const name = new URL(sample).pathname.split("/").at(-1)!;
  return new TrainingHere({
    preset: findPreset("mini"),
    backend: async () => (await model).language.backend,
    sample: async () => {
      const answer = await fetch(sample).catch(() => undefined);
      if (answer?.ok !== true) throw new StoreError(`the text ${name} did not come`);
      return { name, text: await answer.text() };
    },
    factsFor: (language, of) => pageFacts(of, { language: async () => language }),
    onModel,
  });
}
