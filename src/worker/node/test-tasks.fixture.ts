/** Tasks for the tests of workers; some never end. Run as a thread, this module answers them. */
import { isMainThread } from "node:worker_threads";
import { FormatError } from "../../errors.ts";
import type { Tasks } from "../answer-tasks.ts";
import { answerAsThread } from "./index.ts";

export function tasks(): Tasks {
  let remembered: string | undefined;
  return {
    remember: (text: string) => void (remembered = text),
    recall: () => remembered,
    shout: (text: string) => text.toUpperCase(),
    refuse(text: string) {
      throw new FormatError(text);
    },
    break() {
      throw new RangeError("too far");
    },
    hang(how: "loop" | "regex" | "never") {
      if (how === "loop") for (;;);
      if (how === "regex") return /^(a+)+$/.test(`${"a".repeat(64)}!`);
      return new Promise(() => {});
    },
    swallow() {
      const all: number[][] = [];
      for (;;) all.push(Array.from({ length: 1000 }, (_, i) => i));
    },
  };
}

if (!isMainThread) answerAsThread(tasks());
