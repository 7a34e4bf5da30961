/** Light or dark: the system's choice until the reader makes one, which this browser then remembers. */
import { keep, keptIn } from "./kept.ts";

export type Theme = "light" | "dark";

const name = "engram.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

class ThemeChoice {
  #chosen: Theme | undefined = $state(stored());
  #system: Theme = $state(system.matches ? "dark" : "light");

  constructor() {
    system.addEventListener("change", ({ matches }) => {
      this.#system = matches ? "dark" : "light";
      this.#apply();
    });
    this.#apply();
  }

  /** What is shown. Canvases read it, to draw anew when it changes. */
  get current(): Theme {
    return this.#chosen ?? this.#system;
  }

  toggle(): void {
    const next: Theme = this.current === "dark" ? "light" : "dark";
    // A choice that agrees with the system is none: the page follows the system again.
    this.#chosen = next === this.#system ? undefined : next;
    keep("local", name, this.#chosen ?? null);
    this.#apply();
  }

  #apply(): void {
    document.documentElement.dataset["theme"] = this.current;
  }
}

function stored(): Theme | undefined {
  const text = keptIn("local", name);
  return text === "light" || text === "dark" ? text : undefined;
}

export const theme: ThemeChoice = new ThemeChoice();
