/**
 * What an inspection tells, in the shape in which it is sent: the page reads these types. Types only.
 * T tokens, C columns (order by order, head by head) of a layer, G residual branches.
 */

export interface TokenReport {
  readonly id: number;
  /** `bytes:\xe2\x80` where the token is a part of a character. */
  readonly text: string;
  /** What the memory knows the token by. */
  readonly compressed: number;
}

/** The tokens that a memory cannot tell apart. */
export interface SpellingsReport {
  readonly total: number;
  /** The first of them by id. */
  readonly tokens: readonly { readonly id: number; readonly text: string }[];
}

export interface ColumnReport {
  readonly order: number;
  readonly head: number;
  /** Rows first_row .. first_row + rows - 1 of the layer's table are this column's. */
  readonly first_row: number;
  readonly rows: number;
}

export interface LayerReport {
  readonly layer: number;
  readonly columns: readonly ColumnReport[];
  readonly after: ReadingReport;
}

/**
 * What a layer's memory did when each token had been read. It acts on the token that follows: the rows behind
 * `log_probs.on[t]` are `after.rows[t - 1]`, and taking `after.rows[t]` away changes no loss up to token t.
 */
export interface ReadingReport {
  /** [T][G], 0 shut to 1 open. */
  readonly gates: readonly (readonly number[])[];
  /** [T], L2 length of what the memory added to the stream. */
  readonly written: readonly number[];
  /** [T], L2 length of the stream before. */
  readonly stream: readonly number[];
  /** [T][C], rows of the layer's table. */
  readonly rows: readonly (readonly number[])[];
  /** [T][C], L2 length of what each row holds, ablated or not; 0 is a row that training never wrote. */
  readonly norms: readonly (readonly number[])[];
}

/** Log-probabilities are natural logarithms. */
export interface NextToken {
  readonly id: number;
  readonly text: string;
  readonly on: number;
  readonly off: number;
}

export interface LossReport {
  /** Sum of -ln p. */
  readonly nats: number;
  /** Null where nothing was scored. */
  readonly bits_per_byte: number | null;
}

export interface InspectReport {
  readonly tokens: readonly TokenReport[];
  /** First tokens that the model reads and the text does not have: its end-of-text token. */
  readonly num_hidden: number;
  /** By compressed id. */
  readonly spellings: Readonly<Record<string, SpellingsReport>>;
  /** Empty for a model without a memory. */
  readonly layers: readonly LayerReport[];
  /** [T], of each token given those before it; null for the first. "on": the memory as asked for. */
  readonly log_probs: {
    readonly on: readonly (number | null)[];
    readonly off: readonly (number | null)[];
  };
  /** [T], what may follow each token: the likeliest of either, likeliest first. Empty if not asked for. */
  readonly next: readonly (readonly NextToken[])[];
  readonly totals: {
    /** Tokens scored, and the bytes they stand for. */
    readonly tokens: number;
    readonly bytes: number;
    readonly on: LossReport;
    readonly off: LossReport;
  };
}

export interface CorpusReport {
  readonly name: string;
  readonly tokens: number;
  /** Distinct n-grams by order. */
  readonly ngrams: Readonly<Record<string, number>>;
}

/** An n-gram of the corpus that falls on a row. */
export interface NgramReport {
  /** As it is spelled where it first occurs. */
  readonly texts: readonly string[];
  readonly compressed: readonly number[];
  readonly count: number;
}

export interface RowReport {
  readonly row: number;
  readonly order: number;
  readonly head: number;
  /** Absent without a corpus. */
  readonly corpus?: {
    /** Distinct n-grams on this row, and how often they occur together. */
    readonly distinct: number;
    readonly count: number;
    /** The most frequent of them. */
    readonly ngrams: readonly NgramReport[];
    /** Of the column's rows, how many any n-gram of the corpus falls on. */
    readonly used_rows: number;
    readonly column_rows: number;
  };
}
