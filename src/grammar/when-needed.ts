/** Grammars, whose code is loaded with the first request for one. */
import { whenNeeded } from "../when-needed.ts";
import type { Grammars } from "./grammars.ts";

export type AnyGrammars = Pick<Grammars, keyof Grammars>;

export function grammarsWhenNeeded(...of: ConstructorParameters<typeof Grammars>): AnyGrammars {
  const load = whenNeeded(async () => new (await import("./grammars.ts")).Grammars(...of));
  return {
    prepare: async (...asked) => (await load()).prepare(...asked),
    close: () => void load.ifMade((grammars) => grammars.close()),
  };
}
