/** Texts that follow a grammar: JSON by a schema, and free text with tagged parts. */
export type { Grammar, StructuralTag } from "./grammar-task.ts";
export { Grammars } from "./grammars.ts";
export { type AnyGrammars, grammarsWhenNeeded } from "./when-needed.ts";
