/**
 * Training where the server is, if it offers that: its state, followed while a run goes on, whatever view is open. When it
 * is done, the server has another model, and what the page knows of the one before is asked anew. Knows no view.
 */
import type { TrainingHereState as Training } from "../../src/training-here.ts";
import { deleteJson, getJson, postJson } from "./api.ts";
import { corpus } from "./corpus.svelte.ts";
import { inspection } from "./inspection.svelte.ts";
import { serverInfo } from "./server-info.svelte.ts";

/** Milliseconds between two looks. */
const INTERVAL = 1000;

class TrainingHere {
  /** Null where none is offered; undefined until that is known. */
  state: Training | null | undefined = $state.raw();
  failure: Error | undefined = $state.raw();
  #timer: ReturnType<typeof setTimeout> | undefined;

  get isRunning(): boolean {
    return this.state?.state === "running";
  }

  /** Looks now, and again while a run goes on. */
  async look(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#ask(() => getJson<{ training: Training | null }>("engram/training"));
  }

  async start(file?: File): Promise<void> {
    await this.#ask(async () => {
      const given = file && { name: file.name, text: await file.text() };
      return postJson<{ training: Training }>("engram/training", given ?? {});
    });
  }

  async stop(): Promise<void> {
    await this.#ask(() => deleteJson<{ training: Training }>("engram/training"));
  }

  async #ask(send: () => Promise<{ training: Training | null }>): Promise<void> {
    const wasRunning = this.isRunning;
    try {
      this.failure = undefined;
      this.state = (await send()).training;
      if (wasRunning && this.state?.state === "finished") await askAnew();
    } catch (error) {
      this.failure = error as Error;
    }
    clearTimeout(this.#timer);
    if (this.isRunning) this.#timer = setTimeout(() => void this.look(), INTERVAL);
  }
}

async function askAnew(): Promise<void> {
  const isExample = inspection.text === inspection.example;
  await serverInfo.load();
  await corpus.reload();
  // The new model has held out a text of its own.
  if (isExample) inspection.setText(inspection.example);
  else await inspection.ask();
}

export const trainingHere: TrainingHere = new TrainingHere();
