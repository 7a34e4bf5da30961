/** How a command chooses among the likely tokens: its options, and their schemas. */
import type * as z from "zod";
import type { SamplingOptions } from "../inference/index.ts";
import type { CommandOption } from "./command.ts";
import { decimal, wholeNumber } from "./arguments.ts";

export const defaultTemperature = 0.8;

export const samplingOptions: readonly CommandOption[] = [
  { flags: "--seed <S>", description: "seed of the random choice (default 0)" },
  {
    flags: "--temperature <T>",
    description: `0 always takes the likeliest token (default ${defaultTemperature}, or the model's own)`,
  },
  { flags: "--top-k <K>", description: "choose among the K likeliest (default all)" },
  {
    flags: "--top-p <P>",
    description: "choose among the likeliest with total probability P (default 1)",
  },
  {
    flags: "--min-p <P>",
    description: "drop tokens less likely than P times the likeliest (default 0)",
  },
  { flags: "--repetition-penalty <X>", description: "above 1 discourages repeats (default 1)" },
];

type MaybeNumber = z.ZodType<number | undefined>;

export const samplingSchema: Readonly<
  Record<"seed" | "temperature" | "topK" | "topP" | "minP" | "repetitionPenalty", MaybeNumber>
> = {
  seed: wholeNumber(0).optional(),
  temperature: decimal(0, 100).optional(),
  topK: wholeNumber(0).optional(),
  topP: decimal(0, 1).optional(),
  minP: decimal(0, 1).optional(),
  repetitionPenalty: decimal(0.01, 100).optional(),
};

/** What was given of them, else what the model's author asks for, else this program's own temperature. */
export function samplingOf(
  given: Readonly<Partial<Record<keyof typeof samplingSchema, number | undefined>>>,
  { sampling }: { readonly sampling: SamplingOptions },
): SamplingOptions {
  const names = Object.keys(samplingSchema) as (keyof typeof samplingSchema)[];
  const found = names.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]]));
  return { temperature: defaultTemperature, ...sampling, ...Object.fromEntries(found) };
}
