/** The views there are, in the order of the navigation. Each is loaded when it is first looked at. */
import type { Component } from "svelte";

export interface ViewEntry {
  /** Its name in the address. */
  readonly id: string;
  readonly title: string;
  /** Over the view, where that is not its title. */
  readonly headline?: string;
  /** One sentence, shown under the title. */
  readonly about: string;
  /** Without a model (`engram dash`), it is not offered. */
  readonly needsModel: boolean;
  readonly load: () => Promise<{ readonly default: Component }>;
}

export const views: readonly ViewEntry[] = [
  {
    id: "start",
    title: "Start",
    headline: "A language model that looks things up",
    about:
      "After every token it reads a few rows of a memory, found by the last tokens alone. Here is what one look-up did, and what is left without it.",
    needsModel: true,
    load: () => import("./views/start/StartView.svelte"),
  },
  {
    id: "machine",
    title: "Machine",
    headline: "The machine in one picture",
    about: "From the text to the next token, with the numbers of the token that is chosen.",
    needsModel: true,
    load: () => import("./views/machine/MachineView.svelte"),
  },
  {
    id: "text",
    title: "Text",
    about:
      "Every number: what the memory read after each token, what that did to the next, and what is left without parts of it.",
    needsModel: true,
    load: () => import("./views/text/TextView.svelte"),
  },
  {
    id: "teach",
    title: "Teach",
    about:
      "Tell the model something new. It knows it at once; nothing else changes; and it can be erased.",
    needsModel: true,
    load: () => import("./views/teach/TeachView.svelte"),
  },
  {
    id: "memory",
    title: "Table",
    about: "The memory as a whole: which rows are used, and which are shared.",
    needsModel: true,
    load: () => import("./views/memory/MemoryView.svelte"),
  },
  {
    id: "runs",
    title: "Training",
    about: "Curves of training runs, live while one is going.",
    needsModel: false,
    load: () => import("./views/runs/RunsView.svelte"),
  },
];
