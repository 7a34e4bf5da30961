/**
 * For which tokens the memory helps. Classes of tokens: by how often training read the n-gram before the token, and
 * whether the token followed there; and by whether the window showed both. Knows readings; no models.
 */
import type { TokenStream } from "../../inference/index.ts";
import type { ReadCorpusIndex } from "../../memory/index.ts";
import { type Exposure, exposures, indexedExposures, recurrences } from "./exposure.ts";
import { meanNats, type Nats, pairedDifference } from "./paired-blocks.ts";
import type { ClassReport } from "./report.ts";

/** Never, once, 2-3, 4-15, and so on: ranges of counts, from `least` to `most`. */
const COUNT_CLASSES = [
  { name: "never", least: 0, most: 0 },
  { name: "once", least: 1, most: 1 },
  { name: "2-3", least: 2, most: 3 },
  { name: "4-15", least: 4, most: 15 },
  { name: "16-63", least: 16, most: 63 },
  { name: "64-255", least: 64, most: 255 },
  { name: "256 and more", least: 256, most: Infinity },
] as const;

export interface ClassesOptions {
  readonly text: TokenStream;
  /** The training text, or the model's index of it (`Model.corpus`). */
  readonly trained: TokenStream | ReadCorpusIndex | undefined;
  readonly at: Uint32Array;
  readonly windowStarts: Uint32Array;
  /** Lengths of n-grams. */
  readonly orders: readonly number[];
  readonly vocabSize: number;
  readonly base: Nats;
  /** The readings that are compared with the base, by name. */
  readonly others: ReadonlyMap<string, Nats>;
  readonly signal?: AbortSignal | undefined;
}

export async function classesOf(options: ClassesOptions): Promise<ClassReport[]> {
  const { text, at, windowStarts, orders, vocabSize, base, others, signal } = options;
  const classes: ClassReport[] = [];
  const add = (
    kind: Pick<ClassReport, "by" | "order" | "name">,
    has: (token: number) => boolean,
  ): void => {
    const tokens = at.reduce((n, _, i) => n + Number(has(i)), 0);
    if (tokens === 0) return;
    const differences = Array.from(others, ([name, nats]) => {
      const { mean, plusMinus = null } = pairedDifference(nats, base, has);
      return [name, { mean, plusMinus }] as const;
    });
    const natsPerToken = meanNats(base, has);
    classes.push({ ...kind, tokens, natsPerToken, differences: Object.fromEntries(differences) });
  };
  const { seen, fewest } = await exposuresTo(options);
  const seldom = fewest === 1 ? "never went on so" : `went on so less than ${fewest} times`;
  for (const { order, counts, continued } of seen)
    for (const { name, least, most } of classesFrom(fewest)) {
      const isIn = (i: number): boolean => counts[i]! >= least && counts[i]! <= most;
      if (least === 0 || continued === undefined) add({ by: "training", order, name }, isIn);
      else
        for (const follows of [false, true])
          add(
            {
              by: "training",
              order,
              name: `${name}, and ${follows ? "went on so" : seldom}`,
            },
            (i) => isIn(i) && continued[i]! > 0 === follows,
          );
    }
  for (const order of orders) {
    signal?.throwIfAborted();
    const found = recurrences(text, { at, windowStarts, order, vocabSize });
    for (const [state, name] of [
      ["new", "not in the window"],
      ["otherwise", "in the window, and went on otherwise"],
      ["again", "in the window, and went on so"],
    ] as const)
      add({ by: "window", order, name }, (i) => found[i] === state);
  }
  return classes;
}

/** What training read before the tokens; n-grams that came less than `fewest` times count as never read. */
async function exposuresTo(
  options: ClassesOptions,
): Promise<{ seen: readonly Exposure[]; fewest: number }> {
  const { text, trained, at, orders, vocabSize, signal } = options;
  if (trained === undefined) return { seen: [], fewest: 1 };
  if (!("ngrams" in trained))
    return {
      seen: await exposures(text, trained, { at, orders, vocabSize, signal }),
      fewest: 1,
    };
  return {
    seen: await indexedExposures(text, trained, { at, orders, vocabSize, signal }),
    fewest: trained.facts.least,
  };
}

/** The classes where counts below `fewest` are unknown. */
function classesFrom(fewest: number): { name: string; least: number; most: number }[] {
  if (fewest === 1) return [...COUNT_CLASSES];
  return [
    { name: `less than ${fewest} times`, least: 0, most: fewest - 1 },
    ...COUNT_CLASSES.filter(({ most }) => most >= fewest).map(({ name, least, most }) =>
      least >= fewest
        ? { name, least, most }
        : {
            name: most === Infinity ? `${fewest} and more` : `${fewest}-${most}`,
            least: fewest,
            most,
          },
    ),
  ];
}
