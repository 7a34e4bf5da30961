/**
 * Every error the library throws on purpose. A message says what was expected, what came, and what
 * to do. `code` is stable across versions; programs branch on it, never on the message.
 * Cancellation is not here: it is the platform's `AbortError`.
 */

/** The common class of all of them. */
export class EngramError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A configuration, option or argument that cannot be used. The caller's to correct. */
export class InvalidConfigError extends EngramError {
  constructor(message: string, options?: ErrorOptions) {
    super("invalid_config", message, options);
  }
}

/** Bytes that are not what their format says: truncated, corrupt, or of another kind. */
export class FormatError extends EngramError {
  constructor(message: string, options?: ErrorOptions) {
    super("bad_format", message, options);
  }
}

/** Tensors whose shapes or element types do not fit; the message prints all of them. */
export class ShapeError extends EngramError {
  constructor(message: string, options?: ErrorOptions) {
    super("bad_shape", message, options);
  }
}

/** A row store that could not answer: out of range, unreadable, closed, or too large to open. */
export class StoreError extends EngramError {
  constructor(message: string, options?: ErrorOptions) {
    super("store_failed", message, options);
  }
}

/** The tensor engine refused a graph or failed while running it. */
export class BackendError extends EngramError {
  constructor(message: string, options?: ErrorOptions) {
    super("backend_failed", message, options);
  }
}

/** Not a number, or infinity, where the model's arithmetic needs finite numbers: in a weight, a row, or a result. */
export class NonFiniteError extends EngramError {
  constructor(message: string, options?: ErrorOptions) {
    super("non_finite", message, options);
  }
}

/** A request that is well formed but cannot be answered (prompt too long, token id out of range). */
export class RequestError extends EngramError {
  constructor(message: string, options?: ErrorOptions) {
    super("bad_request", message, options);
  }
}

/** A request that could be answered, but not now: too many wait, or the server is going away. */
export class UnavailableError extends EngramError {
  constructor(message: string, { code }: { code: "queue_full" | "loading" | "shutting_down" }) {
    super(code, message);
  }
}

/** A bug of ours: a state that the code's own reasoning excludes. Please report it. */
export class InvariantError extends EngramError {
  constructor(message: string, options?: ErrorOptions) {
    super("internal", message, options);
  }
}
