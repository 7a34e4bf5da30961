/**
 * The report of an inspection in the form in which it is sent. The page uses these types. Types only.
 * T tokens, C columns (order by order, head by head) of a layer, G residual branches.
 */

export interface TokenReport {
  readonly id: number;
  /** `bytes:\xe2\x80` if the token is part of a character. */
  readonly text: string;
  /** The compressed id, by which the memory knows the token. */
  readonly compressed: number;
}

/** Tokens with the same compressed id, which a memory cannot tell apart. */
export interface SpellingsReport {
  readonly total: number;
  /** The first of them, by id. */
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
 * What a layer's memory did after each token was read. It acts on the token that follows: the rows that influenced
 * `log_probs.on[t]` are `after.rows[t - 1]`, and removing `after.rows[t]` changes no loss up to token t.
 */
export interface ReadingReport {
  /** [T][G], from 0 (closed) to 1 (open). */
  readonly gates: readonly (readonly number[])[];
  /** [T], L2 norm of what the memory added to the residual stream. */
  readonly written: readonly number[];
  /** [T], L2 norm of the residual stream before. */
  readonly stream: readonly number[];
  /** [T][C], rows of the layer's table. */
  readonly rows: readonly (readonly number[])[];
  /** [T][C], L2 norm of each row, ablated or not. It is 0 for a row that training never wrote. */
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
  /** Null if nothing was scored. */
  readonly bits_per_byte: number | null;
}

export interface InspectReport {
  readonly tokens: readonly TokenReport[];
  /** Tokens at the start that the model reads but that are not part of the text: its end-of-text token. */
  readonly num_hidden: number;
  /** By compressed id. */
  readonly spellings: Readonly<Record<string, SpellingsReport>>;
  /** Empty for a model without learned rows. */
  readonly layers: readonly LayerReport[];
  /**
   * Of a memory with counts, absent without: after each token [T], how far the next one is said by the model itself, and
   * how far by what was counted behind the last 1, 2, … tokens [1+K]. Sums to 1.
   */
  readonly counts?: { readonly weights: readonly (readonly number[])[] };
  /** [T], of each token given those before it; null for the first. "on": with the memory as asked for. */
  readonly log_probs: {
    readonly on: readonly (number | null)[];
    readonly off: readonly (number | null)[];
  };
  /** [T], the most likely next tokens with or without the memory, most likely first. Empty if not asked for. */
  readonly next: readonly (readonly NextToken[])[];
  readonly totals: {
    /** Tokens scored, and the number of their bytes. */
    readonly tokens: number;
    readonly bytes: number;
    readonly on: LossReport;
    readonly off: LossReport;
  };
}

export interface CorpusReport {
  readonly name: string;
  readonly tokens: number;
  /** N-grams that came less often are not listed. 1: all are. */
  readonly least: number;
  /** Distinct n-grams by order. */
  readonly ngrams: Readonly<Record<string, number>>;
}

/** An n-gram of the corpus that is addressed to a row. */
export interface NgramReport {
  /** A spelling: of each place the most frequent token with its compressed id. */
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
    /** Distinct n-grams on this row, and how often they occur in total. */
    readonly distinct: number;
    readonly count: number;
    /** The most frequent of them. */
    readonly ngrams: readonly NgramReport[];
    /** How many of the column's rows are used by n-grams of the corpus. */
    readonly used_rows: number;
    readonly column_rows: number;
  };
}

/** What falls on some rows of one order and head. */
export interface AreaReport {
  readonly order: number;
  readonly head: number;
  readonly distinct: number;
  readonly count: number;
  /** The most frequent, each with its row. */
  readonly ngrams: readonly (NgramReport & { readonly row: number })[];
  readonly used_rows: number;
  readonly column_rows: number;
}
