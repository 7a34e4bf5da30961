/**
 * What a page's worker does for it: opens one model, and reads and writes with it. The names and options are those of
 * `Model`, `Session` and `generateText`.
 */
import { RequestError } from "../errors.ts";
import type {
  Fact,
  FactRequest,
  Forgotten,
  Quota,
  Selection,
  Taught,
  TeachOptions,
  TextToLearn,
} from "../facts/index.ts";
import { generateText, type GenerateTextOptions } from "../generate-text.ts";
import type { Reading, Session, View, Want } from "../inference/index.ts";
import type { Model } from "../opened-model.ts";
import type { CallContext, Calls } from "./calls.ts";
import { fetchEngine } from "./engine.ts";
import { openInPage, type OpenRequest } from "./open-in-page.ts";
import { pageFacts } from "./page-facts.ts";
import { fetchWithProgress } from "./progress.ts";
import { sourceInPage } from "./source-in-page.ts";

/** What can be asked of a model in a page. */
export interface SessionRequest {
  readonly memory?: boolean;
  /** Whose facts it sees. Default: those of "default". */
  readonly scopes?: readonly string[];
  readonly view?: Partial<Pick<View, "scale" | "gates">>;
}

export function modelCalls(): Calls {
  let opened: Model | undefined;
  const sessions = new Map<number, Session>();
  const model = (): Model => {
    if (opened === undefined) throw new RequestError("no model is open");
    return opened;
  };
  const session = (id: number): Session => {
    const found = sessions.get(id);
    if (found === undefined) throw new RequestError("this session is disposed; create another");
    return found;
  };

  return {
    async open({ engine, ...request }: OpenRequest, context: CallContext) {
      const { threads } = request;
      const loading = fetchEngine(engine, { threads, fetch: fetchWithProgress(context.tell) });
      const source = sourceInPage(request, context);
      const opening: Promise<Model> = openInPage(source, request, {
        loading,
        openFacts: async (of) => pageFacts(of, { language: async () => (await opening).language }),
      });
      const { path, config, hasMemory, tokenizer } = (opened = await opening);
      return { path, config, hasMemory, vocabSize: tokenizer.vocabSize };
    },
    async encode(text: string, { signal }: CallContext): Promise<Int32Array> {
      return model().tokenizer.encode(text, { signal });
    },
    async decode(ids: ArrayLike<number>): Promise<string> {
      return model().tokenizer.decode(ids);
    },
    async generate(
      { prompt, options }: { prompt: string; options: GenerateTextOptions },
      { signal, tell }: CallContext,
    ) {
      const pieces = generateText(model(), prompt, { ...options, signal });
      for (;;) {
        const { done, value } = await pieces.next();
        if (done === true) return value;
        tell(value);
      }
    },
    async teach(
      { facts, options }: { facts: readonly FactRequest[]; options: TeachOptions },
      { signal }: CallContext,
    ): Promise<Taught[]> {
      return model().teach(facts, { ...options, signal });
    },
    async learn({ text, quota }: { text: TextToLearn; quota?: Quota }): Promise<void> {
      return model().learn(text, quota);
    },
    async facts(scopes: readonly string[] | undefined): Promise<Fact[]> {
      return model().facts(scopes);
    },
    async forget(selection: Selection, { signal }: CallContext): Promise<Forgotten> {
      return model().forget(selection, { signal });
    },
    async createSession({ id, options }: { id: number; options: SessionRequest }) {
      sessions.set(id, model().createSession(options));
    },
    async append({ id, ids, want }: { id: number; ids: number[]; want: Want }): Promise<Reading> {
      return session(id).append(ids, want);
    },
    async rewind({ id, length }: { id: number; length: number }) {
      session(id).rewind(length);
    },
    async dispose({ id }: { id: number }) {
      const found = sessions.get(id);
      sessions.delete(id);
      await found?.dispose();
    },
    async close() {
      for (const one of sessions.values()) await one.dispose();
      sessions.clear();
      await opened?.close();
      opened = undefined;
    },
  };
}
