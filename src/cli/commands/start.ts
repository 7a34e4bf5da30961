/**
 * `engram start`: the first command of a new user. Finds the sample model, or trains it if there is none, shows what
 * it writes with its memory and without, and serves it.
 */
import { DisposalStack } from "../../disposal-stack.ts";
import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { generateText } from "../../generate-text.ts";
import { TableTraffic } from "../../inspect/index.ts";
import { loadModel } from "../../load-model.ts";
import type { Model } from "../../opened-model.ts";
import type { EngramServer, HeldOut } from "../../server/index.ts";
import { createServer } from "../../server/node/index.ts";
import { ortBackend } from "../../tensor/backends/onnx/node/index.ts";
import type { Backend } from "../../tensor/index.ts";
import { trainModel } from "../../train-model.ts";
import { type Command, type CommandContext, defineCommand } from "../command.ts";
import { findModels } from "../find-models.ts";
import { heldOutOf } from "../held-out.ts";
import { inspectorPage } from "../inspector-page.ts";
import { keepLittleMemory } from "../lean-process.ts";
import { runsOfModel } from "../runs-of-model.ts";
import { serveUntilStopped } from "../serve-until-stopped.ts";
import { showPlan } from "../show-plan.ts";
import { version } from "../../bytes/node/index.ts";
import { showTraining } from "./train.ts";

const assets = new URL("../../../assets/", import.meta.url);
const sampleText = fileURLToPath(new URL("tinyshakespeare.txt", assets));

/** What is shown. */
interface Sample {
  readonly directory: string;
  readonly prompt: string;
  /** Bits per byte of its held-out text by compressors. */
  readonly compressed: string;
}

const ofPlays = { prompt: "ROMEO:\n", compressed: "bzip2: 2.36, xz: 2.61" };

/** The models in the package, made by `scripts/english-model.ts` and `scripts/sample-model.ts`. The first is shown. */
const shipped: readonly Sample[] = [
  {
    directory: fileURLToPath(new URL("english", assets)),
    prompt: "The city of",
    compressed: "xz: 2.34",
  },
  { directory: fileURLToPath(new URL("shakespeare", assets)), ...ofPlays },
].filter(({ directory }) => existsSync(join(directory, "config.json")));
/** What the first run trains if the package has none. */
const trained: Sample = { directory: join("models", "tiny"), ...ofPlays };
const maxTokens = 160;
const MAX_OTHERS = 8;
/** The port of `engram serve`, or one of the next, or any. */
const ports = [...Array.from({ length: 10 }, (_, i) => 8080 + i), 0];

export const startCommand: Command = defineCommand({
  path: "start",
  summary: "generate with the included model, and serve it",
  description:
    "Continues a prompt with the included model, with the memory on and with it off. " +
    `If the package has no model, one is trained first and saved in ${trained.directory}; this takes a few ` +
    "minutes on two cores. Then the model is served like with engram serve, on port 8080 or the next free " +
    "port, until Ctrl-C, and the other models on this machine are named. On a desktop its page is opened in the browser. Without a terminal (a pipe, CI, " +
    "--json) the command ends after the text.\n\n" +
    "To watch a model being trained: engram train --data assets/tinyshakespeare.txt --preset tiny --out " +
    "models/tiny",
  options: [],
  examples: ["start"],
  schema: z.object({}),
  async run(_input, context) {
    await using owned = new DisposalStack();
    const backend = owned.adopt(ortBackend(), (one) => one.dispose());
    const sample = shipped[0] ?? trained;
    if (!existsSync(join(sample.directory, "config.json"))) await train(backend, context);
    return await showAndServe(sample, { backend, context });
  },
});

async function train(backend: Backend, context: CommandContext): Promise<void> {
  context.progress.note(`training the tiny preset on the sample text into ${trained.directory}`);
  await trainModel({
    data: [sampleText],
    preset: "tiny",
    out: trained.directory,
    backend,
    resume: true,
    samplePrompt: trained.prompt,
    signal: context.signal,
    onEvent: showTraining(context),
  }).catch((error: unknown) => {
    if (error instanceof Error && error.name === "AbortError")
      context.progress.note("stopped; the next start continues from here");
    throw error;
  });
  context.progress.end();
}

/** Resolves at once if nobody is at the terminal, otherwise when the server was stopped. */
export async function showAndServe(
  { directory, prompt, compressed }: Sample,
  { backend, context }: { backend: Backend; context: CommandContext },
): Promise<object> {
  keepLittleMemory();
  const traffic = new TableTraffic();
  await using model = await loadModel(directory, {
    backend,
    onPlan: showPlan(context.progress),
    wrapStore: traffic.watch,
  });
  const heldOut = await heldOutOf(directory);
  const { bitsPerByte: on, memoryOff: off, trainedWithout } = heldOut;
  const document = {
    model: directory,
    prompt,
    withMemory: await write(model, { prompt, memory: true, context }),
    withoutMemory: await write(model, { prompt, memory: false, context }),
    bitsPerByte: { on, off, trainedWithout },
    others: await othersThan(directory, context),
  };
  context.print(figures(heldOut, compressed) + othersAs(document.others, context));
  if (!context.isInteractive) return document;
  const open = (): EngramServer =>
    createServer(model, {
      version,
      isLoopback: true,
      traffic,
      heldOut,
      runs: runsOfModel(directory),
      page: () => inspectorPage({ note: (line) => context.progress.note(line) }),
      onError: (error) => context.progress.note(String(error)),
    });
  await serveUntilStopped(open, {
    host: "127.0.0.1",
    ports,
    context,
    onReady(url, { fetch }) {
      context.print(`\nserving it at ${url}/v1 until Ctrl-C\n`);
      void showPage(fetch, { url, context });
    },
  });
  return document;
}

/** If there is no page and none can be built, the server says why, and serves the model anyway. */
async function showPage(
  fetch: (request: Request) => Promise<Response>,
  { url, context }: { url: string; context: CommandContext },
): Promise<void> {
  const page = await fetch(new Request(`${url}/`));
  await page.body?.cancel();
  if (!page.ok) return;
  context.print(`look into its memory at ${url}/\n`);
  context.openBrowser?.(`${url}/`);
}

async function write(
  model: Model,
  { prompt, memory, context }: { prompt: string; memory: boolean; context: CommandContext },
): Promise<string> {
  context.print(`\n--- memory ${memory ? "on" : "off"} ---\n${prompt}`);
  let text = "";
  const options = { memory, maxTokens, temperature: 0.8, seed: 1, signal: context.signal };
  for await (const piece of generateText(model, prompt, options)) {
    text += piece;
    context.printText(piece);
  }
  context.print("\n");
  return text;
}

async function othersThan(directory: string, { env }: CommandContext): Promise<string[]> {
  const inPackage = shipped.map(({ directory: path }) => ({ path, name: relative("", path) }));
  const others = [...(await findModels(env)), ...inPackage].filter(
    ({ path }) => resolve(path) !== resolve(directory),
  );
  return [...new Set(others.map(({ name }) => name))];
}

/** The other models on this machine, or how to get one. */
function othersAs(names: readonly string[], { program }: CommandContext): string {
  if (names.length === 0)
    return `\na model of your own: ${program} pull owner/repo, then ${program} chat owner/repo\n`;
  const more = names.length > MAX_OTHERS ? ` and ${names.length - MAX_OTHERS} more` : "";
  const shown = names.slice(0, MAX_OTHERS).join(", ");
  return `\nalso on this machine: ${shown}${more} (${program} chat NAME)\n`;
}

/**
 * The worth of the memory is measured against a model trained without one: a model whose memory is switched off has
 * learned to rely on it.
 */
function figures(
  { bitsPerByte: on, memoryOff: off, trainedWithout }: HeldOut,
  compressed: string,
): string {
  if (on === undefined) return "";
  const others = [
    ...(trainedWithout === undefined ? [] : [`${trainedWithout.toFixed(3)} trained without one`]),
    ...(off === undefined ? [] : [`${off.toFixed(3)} with it switched off`]),
  ];
  const all = [`${on.toFixed(3)} bits per byte with the memory`, ...others].join(", ");
  return `\nheld-out text: ${all} (${compressed})\n`;
}
