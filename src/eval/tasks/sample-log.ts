/** The requests, answers and values of each document, as lines of JSON with the harness's names. */
import type { Sample, TaskResult } from "./evaluate.ts";

/** One line a document, for the harness's readers of sample logs. */
export function* sampleLines({ task, figures, samples }: TaskResult): Generator<string> {
  for (const [i, sample] of samples.entries())
    for (const { name } of task.file.filter_list) {
      const own = figures.filter(({ filter }) => filter === name);
      const line = {
        doc_id: sample.item.id,
        doc: sample.item.fields,
        target:
          sample.item.target.kind === "index"
            ? sample.item.target.indices
            : sample.item.target.texts,
        arguments: argumentsOf(sample, task.file.generation_kwargs),
        resps: responsesOf(sample),
        filtered_resps: [sample.filtered[name] ?? responsesOf(sample)].flat(),
        filter: name,
        metrics: own.map(({ metric }) => metric),
        ...Object.fromEntries(own.map(({ metric, values }) => [metric, valueOf(values[i]!)])),
      };
      yield `${JSON.stringify(line)}\n`;
    }
}

function argumentsOf({ item: { request } }: Sample, generation: object): object {
  const all =
    request.kind === "choices"
      ? request.pairs.map(({ context, continuation }) => [context, continuation])
      : request.kind === "rolling"
        ? [[request.text]]
        : [[request.context, generation]];
  return Object.fromEntries(
    all.map((args, i) => [
      `gen_args_${i}`,
      Object.fromEntries(args.map((arg, a) => [`arg_${a}`, arg])),
    ]),
  );
}

/** [log-likelihood, whether greedy] of each request; one sum of a whole text; or the answer. */
function responsesOf({ item, responses }: Sample): unknown[] {
  if (typeof responses === "string") return [responses];
  if (item.request.kind === "rolling")
    return [responses.reduce((sum, { logLikelihood }) => sum + logLikelihood, 0)];
  return responses.map(({ logLikelihood, isGreedy }) => [logLikelihood, isGreedy]);
}

function valueOf({ value, weight }: { value: number; weight: number }): unknown {
  return weight === 1 ? value : [value, weight];
}
