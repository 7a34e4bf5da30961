/**
 * The other side of `bench/serve.ts`: a process that calls the library as a program would. Told a
 * prompt, it answers with the text and the milliseconds from the first call to the last piece.
 *
 *   node bench/setup/library-process.ts MODEL THREADS
 */
import { createSampler, generate } from "../../src/inference/index.ts";
import { loadModel } from "../../src/load-model.ts";
import { ortBackend } from "../../src/tensor/backends/onnx/node/index.ts";

export interface LibraryRequest {
  readonly promptIds: readonly number[];
  readonly maxTokens: number;
}

export interface LibraryAnswer {
  readonly text: string;
  readonly ms: number;
}

const [directory = "", threads = "2"] = process.argv.slice(2);
const model = await loadModel(directory, { backend: ortBackend({ threads: Number(threads) }) });
// One session for all texts: the server keeps its slots, and opening a session is no part of a token.
const session = model.createSession();
process.on("message", (request: LibraryRequest) => {
  const { promptIds, maxTokens } = request;
  const write = async (): Promise<void> => {
    const start = performance.now();
    session.rewind(0);
    const decoder = model.tokenizer.stream({ skipSpecial: true });
    const sampler = createSampler({ temperature: 0 });
    let text = "";
    for await (const id of generate(session, promptIds, { sampler, maxTokens }))
      text += decoder.push(id);
    text += decoder.end();
    process.send!({ text, ms: performance.now() - start } satisfies LibraryAnswer);
  };
  void write();
});
process.once("disconnect", () => process.exit(0));
process.send!("ready");
