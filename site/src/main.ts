/** The page: a prompt, and what the model makes of it with its memory and without. Knows elements; no model. */
import {
  generateText,
  loadModel,
  type Progress,
  removeKept,
  type WebModel,
} from "../../src/index-web.ts";
import { engine, modelAddress } from "./places.ts";

const element = <T extends HTMLElement>(id: string): T => document.querySelector<T>(`#${id}`)!;
const write = element<HTMLButtonElement>("write");
const stop = element<HTMLButtonElement>("stop");
const forget = element<HTMLButtonElement>("forget");
const prompt = element<HTMLTextAreaElement>("prompt");
const scale = element<HTMLInputElement>("scale");
const bar = element<HTMLProgressElement>("progress");
const texts = { on: element("on"), off: element("off") };

const MAX_TOKENS = 200;
function say(text: string): void {
  element("status").textContent = text;
}

/** The part of the files heard of so far that has come. */
function showProgress(): (progress: Progress) => void {
  const files = new Map<string, Progress>();
  return (progress) => {
    // Ranges of one file are told one by one.
    files.set(`${progress.file} ${progress.totalBytes}`, progress);
    let [bytes, total] = [0, 0];
    for (const one of files.values()) {
      bytes += one.bytes;
      total += one.totalBytes ?? one.bytes;
    }
    bar.value = total === 0 ? 0 : bytes / total;
    say(`Loading the model: ${(bytes / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`);
  };
}

/** The continuations, with what is not the same in both marked from the first difference on. */
function show(start: string, { on, off }: { on: string; off: string }): void {
  let same = 0;
  while (same < Math.min(on.length, off.length) && on[same] === off[same]) same++;
  for (const [name, text] of Object.entries({ on, off })) {
    const given = document.createElement("b");
    given.textContent = start;
    const own = document.createElement("mark");
    own.textContent = text.slice(same);
    texts[name as "on" | "off"].replaceChildren(given, text.slice(0, same), own);
  }
}

async function writeBoth(model: WebModel, signal: AbortSignal): Promise<void> {
  const start = prompt.value;
  const text = { on: "", off: "" };
  show(start, text);
  const began = performance.now();
  let numTokens = 0;
  const go = async (name: "on" | "off"): Promise<void> => {
    const memory = name === "on";
    const pieces = generateText(model, start, {
      maxTokens: MAX_TOKENS,
      temperature: 0,
      memory,
      ...(memory && { scale: Number(scale.value) }),
      signal,
    });
    for (let step = await pieces.next(); ; step = await pieces.next()) {
      if (step.done === true) {
        numTokens += step.value.numTokens;
        return;
      }
      text[name] += step.value;
      show(start, text);
    }
  };
  await Promise.all([go("on"), go("off")]);
  const rate = numTokens / ((performance.now() - began) / 1000);
  say(`${numTokens} tokens, ${rate.toFixed(0)} a second in both texts together.`);
}

async function writeNothing(model: WebModel, memory: boolean): Promise<void> {
  const pieces = generateText(model, prompt.value, { maxTokens: 2, temperature: 0, memory });
  while ((await pieces.next()).done !== true);
}

async function openPage(): Promise<void> {
  const began = performance.now();
  let model: WebModel;
  try {
    model = await loadModel(modelAddress, { engine, onProgress: showProgress() });
  } catch (error) {
    say(`The model did not open: ${(error as Error).message}`);
    return;
  } finally {
    bar.hidden = true;
  }
  say(`The model is here, after ${((performance.now() - began) / 1000).toFixed(1)} s.`);
  write.disabled = false;
  // Its graphs are compiled while the reader reads.
  for (const memory of [true, false]) void writeNothing(model, memory);
  let abort: AbortController | undefined;
  element<HTMLFormElement>("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    abort?.abort();
    const { signal } = (abort = new AbortController());
    stop.disabled = false;
    say("Writing …");
    void writeBoth(model, signal)
      .catch((error: unknown) => {
        if (!signal.aborted) say((error as Error).message);
        else if (abort?.signal === signal) say("Stopped.");
      })
      .finally(() => {
        if (abort?.signal === signal) stop.disabled = true;
      });
  });
  stop.addEventListener("click", () => abort?.abort());
}

scale.addEventListener("input", () => (element("scale-value").textContent = scale.value));
forget.addEventListener("click", () => {
  void removeKept().then(() => say("What was kept has been removed."));
});
void openPage();
