/**
 * A task: what a benchmark asks, as its file describes it. Keys are those of lm-evaluation-harness where it has one for
 * the same thing. Knows no documents, models or figures.
 */
import type { Template } from "./template.ts";

export type OutputType =
  | "loglikelihood"
  | "loglikelihood_rolling"
  | "multiple_choice"
  | "generate_until";

export type MetricName =
  | "perplexity"
  | "acc"
  | "log_likelihood"
  | "word_perplexity"
  | "byte_perplexity"
  | "bits_per_byte"
  | "acc_norm"
  | "acc_bytes"
  | "exact_match"
  | "contains";

/** Metrics of each kind of task, and how many of them are the default: those that the harness uses. */
export const METRICS: Readonly<
  Record<OutputType, { readonly all: readonly MetricName[]; readonly numUsual: number }>
> = {
  loglikelihood: { all: ["perplexity", "acc", "log_likelihood"], numUsual: 2 },
  loglikelihood_rolling: {
    all: ["word_perplexity", "byte_perplexity", "bits_per_byte"],
    numUsual: 3,
  },
  multiple_choice: { all: ["acc", "acc_norm", "acc_bytes", "exact_match"], numUsual: 2 },
  generate_until: { all: ["exact_match", "contains"], numUsual: 1 },
};

export interface TaskFile {
  readonly task: string;
  readonly version: number;
  readonly output_type: OutputType;
  /** A path below the data folder; * stands for a subtask. Exactly one of `data`, `needles` and `recall` is present. */
  readonly data?: string | undefined;
  readonly needles?: Needles | undefined;
  readonly recall?: Recall | undefined;
  /** Names of the columns of a .csv or .tsv file without a head line. */
  readonly columns?: readonly string[] | undefined;
  readonly fewshot_data?: string | undefined;
  readonly description: Template;
  readonly doc_to_text: Template;
  readonly doc_to_target: Template;
  readonly doc_to_choice?: Template | readonly Template[] | undefined;
  /** Choices are contexts, `doc_to_target` is what follows each, and `doc_to_text` is the index of the right one. */
  readonly multiple_inputs: boolean;
  readonly target_delimiter: string;
  readonly fewshot_delimiter: string;
  readonly num_fewshot: number;
  readonly fewshot_sampler: "default" | "first_n";
  readonly generation_kwargs: { readonly until: readonly string[]; readonly max_gen_toks: number };
  readonly filter_list: readonly {
    readonly name: string;
    readonly filter: readonly AnswerFilter[];
  }[];
  readonly metric_list: readonly MetricOptions[];
  readonly group_by?: GroupBy | undefined;
  /** Whether a group's figure is a mean over documents, or over its tasks. */
  readonly weight_by_size: boolean;
}

export interface GroupBy {
  readonly field: string;
  /** Lower bounds of ranges of numbers, ascending. Without them: a group for each value. */
  readonly ranges?: readonly number[] | undefined;
}

export interface Needles {
  /** Lengths of haystacks in words. */
  readonly lengths: readonly number[];
  /** Positions of the needle, in percent of the haystack. */
  readonly depths: readonly number[];
  /** Haystacks of each length and depth. */
  readonly count: number;
  readonly seed: number;
  /** Needles in a haystack, one of which is asked for. */
  readonly needles: number;
  /** With {key} and {value}. */
  readonly needle: string;
  readonly filler: readonly string[];
}

export interface Recall {
  /** Tab-separated: source, relation, subject, object and counts, with a head line. */
  readonly support: string;
  /** The source whose lines are used. */
  readonly source: string;
  /** The column that says how many documents of the training text state the fact. */
  readonly exposures: string;
  /** Files of patterns with [X] and [Y], where * is the relation; or one of cases with subject and prompt. */
  readonly prompts: string;
}

export type AnswerFilter =
  | { readonly function: "take_first" | "remove_whitespace" | "lowercase" | "uppercase" }
  | {
      readonly function: "regex";
      readonly regex_pattern: string;
      readonly group_select: number;
      readonly fallback: string;
    };

export interface MetricOptions {
  readonly metric: MetricName;
  readonly regexes_to_ignore: readonly string[];
  readonly ignore_case: boolean;
  readonly ignore_punctuation: boolean;
  readonly ignore_numbers: boolean;
}
