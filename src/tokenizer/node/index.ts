/** Tokenizers that encode on threads of Node. */
export { openTokenizerFile, startTokenizerWorker } from "./tokenizer-worker.ts";
