/** Grammars on Node: in threads of their own. */
export { startGrammarWorker } from "./grammar-worker.ts";
