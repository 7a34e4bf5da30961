/**
 * `engram start`: the first thing a newcomer runs. Trains the tiny preset on the sample text if that
 * has not been done, then shows what the model writes with its memory and without.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { FormatError } from "../../errors.ts";
import { generateText } from "../../generate-text.ts";
import { loadModel, type Model } from "../../load-model.ts";
import { ortBackend } from "../../tensor/backends/onnx/node/index.ts";
import { trainModel } from "../../train-model.ts";
import { type Command, type CommandContext, defineCommand } from "../command.ts";
import { readJson } from "../read-json.ts";
import { showPlan } from "../show-plan.ts";
import { showTraining } from "./train.ts";

const sampleText = fileURLToPath(new URL("../../../assets/tinyshakespeare.txt", import.meta.url));
const directory = join("models", "tiny");
const prompt = "ROMEO:\n";
const maxTokens = 160;

export const startCommand: Command = defineCommand({
  path: "start",
  summary: "train the sample model, once, and let it write",
  description:
    `Trains the tiny preset on the sample text (Shakespeare) into ${directory}, which takes a few ` +
    "minutes on two cores, and then continues a prompt with the memory on and with it off. Every " +
    "later start finds the model and goes straight to the text.",
  options: [],
  examples: ["start"],
  schema: z.object({}),
  async run(_input, context) {
    const backend = ortBackend();
    if (!existsSync(join(directory, "config.json"))) {
      context.progress.note(`training the tiny preset on the sample text into ${directory}`);
      await trainModel({
        data: [sampleText],
        preset: "tiny",
        out: directory,
        backend,
        resume: true,
        samplePrompt: prompt,
        signal: context.signal,
        onEvent: showTraining(context),
      }).catch((error: unknown) => {
        if (error instanceof Error && error.name === "AbortError")
          context.progress.note("stopped; the next start goes on from here");
        throw error;
      });
      context.progress.end();
    }
    await using model = await loadModel(directory, { backend, onPlan: showPlan(context.progress) });
    const document = {
      model: directory,
      prompt,
      withMemory: await write(model, { memory: true, context }),
      withoutMemory: await write(model, { memory: false, context }),
      bitsPerByte: await heldOut(),
    };
    const { on, off } = document.bitsPerByte;
    context.print(
      `\nheld-out text: ${on.toFixed(3)} bits per byte with the memory, ${off.toFixed(3)} with it switched off ` +
        `(bzip2: 2.36, xz: 2.61)\n`,
    );
    return document;
  },
});

async function write(
  model: Model,
  { memory, context }: { memory: boolean; context: CommandContext },
): Promise<string> {
  context.print(`\n--- memory ${memory ? "on" : "off"} ---\n${prompt}`);
  let text = "";
  const options = { memory, maxTokens, temperature: 0.8, seed: 1, signal: context.signal };
  for await (const piece of generateText(model, prompt, options)) {
    text += piece;
    context.print(piece);
  }
  context.print("\n");
  return text;
}

const summary = z.object({ bitsPerByte: z.number(), bitsPerByteWithoutMemory: z.number() });

/** Measured at the end of training, by either way of running the model. */
async function heldOut(): Promise<{ on: number; off: number }> {
  const file = join(directory, "training.json");
  const measured = summary.safeParse(await readJson(file));
  if (!measured.success)
    throw new FormatError(
      `${file}: expected the figures of a training run; train ${directory} anew`,
    );
  return { on: measured.data.bitsPerByte, off: measured.data.bitsPerByteWithoutMemory };
}
