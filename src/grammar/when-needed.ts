/** Grammars, whose code is loaded with the first request for one. */
import type { Grammars } from "./grammars.ts";

export type AnyGrammars = Pick<Grammars, keyof Grammars>;

export function grammarsWhenNeeded(...of: ConstructorParameters<typeof Grammars>): AnyGrammars {
  let loaded: Promise<Grammars> | undefined;
  const load = async (): Promise<Grammars> => new (await import("./grammars.ts")).Grammars(...of);
  return {
    prepare: async (...asked) => (await (loaded ??= load())).prepare(...asked),
    close: () => {
      // Where its code could not be loaded, `prepare` says so.
      loaded?.then(
        (grammars) => grammars.close(),
        () => {},
      );
    },
  };
}
