/**
 * Claims: a server costs at most 10 % over calling the library with one client; eight clients get at
 * least 2.5 times the tokens/s of one.
 *
 *   node bench/serve.ts [preset=small] [threads=2] [rounds=7] [tokens=64]
 *
 * Inside the window: requests over a loopback socket, streamed and read to their end, the first not
 * counted; the library's window is the same prompt through `Session` and sampler, to text. The three sides -
 * library, one client, eight clients at once - take turns; ratios are of medians. Prompts differ from
 * request to request, so that the prefix cache gives nothing to the server that the library lacks.
 */
import { argmax } from "../src/inference/index.ts";
import { createServer, listen } from "../src/index.ts";
import { Model } from "../src/load-model.ts";
import { ortBackend } from "../src/tensor/backends/onnx/node/index.ts";
import { findPreset } from "../src/training/index.ts";
import { numberedTokenizer } from "./setup/numbered-tokenizer.ts";
import { benchRun, median } from "./setup/training-run.ts";

const presetName = process.argv[2] ?? "small";
const threads = Number(process.argv[3] ?? 2);
const rounds = Number(process.argv[4] ?? 7);
const tokens = Number(process.argv[5] ?? 64);
const backend = ortBackend({ threads });
const { model: language } = await benchRun(findPreset(presetName), { backend });
const { vocabSize } = language.config;
const tokenizer = numberedTokenizer(vocabSize);
const model = new Model("bench", { tokenizer, language, ownsBackend: false });
const server = createServer(model, { parallel: 8 });
await server.ready;
const listener = await listen(server.fetch, { host: "127.0.0.1", port: 0 });

let asked = 0;
/** 32 tokens that no prompt before had. */
function nextPrompt(): number[] {
  asked++;
  return Array.from({ length: 32 }, (_, i) => (asked * 7919 + i * 31) % vocabSize);
}

async function library(): Promise<void> {
  const session = model.createSession();
  const decoder = tokenizer.stream();
  let logits = await session.append(nextPrompt());
  for (let i = 0; i < tokens; i++) {
    const id = argmax(logits);
    decoder.push(id);
    if (i < tokens - 1) logits = await session.append([id]);
  }
  await session.dispose();
}

async function client(): Promise<void> {
  const response = await fetch(`${listener.url}/v1/completions`, {
    method: "POST",
    body: JSON.stringify({
      prompt: nextPrompt(),
      max_tokens: tokens,
      temperature: 0,
      stream: true,
      ignore_eos: true,
    }),
  });
  const text = await response.text();
  if (!text.endsWith("data: [DONE]\n\n"))
    throw new Error(`a stream broke off: ${text.slice(-200)}`);
}

const eight = async (): Promise<void> => {
  await Promise.all(Array.from({ length: 8 }, client));
};
const sides = [
  { name: "library", run: library, texts: 1, rates: [] as number[] },
  { name: "one client", run: client, texts: 1, rates: [] as number[] },
  { name: "eight clients", run: eight, texts: 8, rates: [] as number[] },
];
for (let round = 0; round <= rounds; round++)
  for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
    const start = performance.now();
    await side.run();
    const seconds = (performance.now() - start) / 1000;
    if (round > 0) side.rates.push((side.texts * tokens) / seconds);
  }
for (const { name, rates } of sides) {
  const [low, high] = [Math.min(...rates), Math.max(...rates)];
  process.stdout.write(
    `${name.padEnd(14)} ${median(rates).toFixed(0)} tokens/s (${low.toFixed(0)}-${high.toFixed(0)})\n`,
  );
}
const [alone, one, many] = sides.map(({ rates }) => median(rates)) as [number, number, number];
process.stdout.write(
  `library over one client ${(alone / one).toFixed(3)} (claim: at most 1.10); ` +
    `eight clients over one ${(many / one).toFixed(2)} (claim: at least 2.5)\n`,
);
listener.destroy();
await server.close();
await backend.dispose();
