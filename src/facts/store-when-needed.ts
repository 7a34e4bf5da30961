/**
 * A store of facts whose code is loaded with the first fact. Until then it says what an empty one would. Knows no log.
 */
import type { Memory } from "../memory/memory.ts";
import { type WhenNeeded, whenNeeded } from "../when-needed.ts";
import type { Fact } from "./fact.ts";
import type { FactStore } from "./fact-store.ts";

/** What there is to ask of a store. */
export type AnyStore = Pick<FactStore, keyof FactStore>;

export class StoreWhenNeeded implements AnyStore {
  readonly place: string | undefined;
  /** Has what there is, from when it resolves. */
  readonly load: WhenNeeded<FactStore>;
  onGone: ((facts: readonly Fact[]) => void) | undefined;
  onTextsGone: (() => void) | undefined;
  readonly #before: (() => Promise<void>)[] = [];
  #store: FactStore | undefined;

  /** `place` is the store's. Where `open` fails, it is called again with the next change. */
  constructor({
    place,
    open,
  }: {
    readonly place: string | undefined;
    readonly open: () => Promise<FactStore>;
  }) {
    this.place = place;
    this.load = whenNeeded(async () => {
      const [store] = await Promise.all([open(), ...this.#before.map((work) => work())]);
      store.onGone = (facts) => this.onGone?.(facts);
      store.onTextsGone = () => this.onTextsGone?.();
      return (this.#store = store);
    });
  }

  /** `work` is done before there is a store, and anything in it. */
  before(work: () => Promise<void>): void {
    this.#before.push(work);
  }

  get reader(): FactStore["reader"] {
    return this.#store?.reader;
  }

  get snapshots(): FactStore["snapshots"] {
    return this.#store?.snapshots ?? [];
  }

  facts(...of: Parameters<FactStore["facts"]>): ReturnType<FactStore["facts"]> {
    return this.#store?.facts(...of) ?? [];
  }

  memory(base: Memory | undefined, scopes?: readonly string[]): Memory | undefined {
    return this.#store === undefined ? base : this.#store.memory(base, scopes);
  }

  scopesOf(memory: Memory | undefined): readonly string[] {
    return this.#store?.scopesOf(memory) ?? [];
  }

  learnedSizes(
    ...of: Parameters<FactStore["learnedSizes"]>
  ): ReturnType<FactStore["learnedSizes"]> {
    return this.#store?.learnedSizes(...of) ?? [];
  }

  learned(...of: Parameters<FactStore["learned"]>): ReturnType<FactStore["learned"]> {
    return this.#store?.learned(...of) ?? [];
  }

  sharesVectors(...of: Parameters<FactStore["sharesVectors"]>): boolean {
    return this.#store?.sharesVectors(...of) ?? false;
  }

  async learn(...of: Parameters<FactStore["learn"]>): Promise<void> {
    return (await this.load()).learn(...of);
  }

  async add(...of: Parameters<FactStore["add"]>): Promise<void> {
    return (await this.load()).add(...of);
  }

  async giveVectors(...of: Parameters<FactStore["giveVectors"]>): Promise<void> {
    return (await this.load()).giveVectors(...of);
  }

  async forget(...of: Parameters<FactStore["forget"]>): ReturnType<FactStore["forget"]> {
    return (await this.load()).forget(...of);
  }

  async snapshot(name: string): Promise<void> {
    return (await this.load()).snapshot(name);
  }

  async rollback(name: string): Promise<void> {
    return (await this.load()).rollback(name);
  }

  async removeSnapshot(name: string): Promise<void> {
    return (await this.load()).removeSnapshot(name);
  }

  /** What was never loaded has nothing to close. */
  async close(): Promise<void> {
    await this.load.ifMade((store) => store.close());
  }
}
