/**
 * A store of facts whose code is loaded with the first fact. Until then it says what an empty one would. Knows no log.
 */
import type { Memory } from "../memory/memory.ts";
import type { Fact } from "./fact.ts";
import type { FactStore } from "./fact-store.ts";

/** What there is to ask of a store. */
export type AnyStore = Pick<FactStore, keyof FactStore>;

export class StoreWhenNeeded implements AnyStore {
  readonly place: string | undefined;
  onGone: ((facts: readonly Fact[]) => void) | undefined;
  onTextsGone: (() => void) | undefined;
  readonly #open: () => Promise<FactStore>;
  readonly #before: (() => Promise<void>)[] = [];
  #store: FactStore | undefined;
  #loading: Promise<FactStore> | undefined;

  /** `place` is the store's. Where `open` fails, it is called again with the next change. */
  constructor({
    place,
    open,
  }: {
    readonly place: string | undefined;
    readonly open: () => Promise<FactStore>;
  }) {
    this.place = place;
    this.#open = open;
  }

  /** Has what there is, from when it resolves. */
  async load(): Promise<void> {
    await this.#loaded();
  }

  /** `work` is done before there is a store, and anything in it. */
  before(work: () => Promise<void>): void {
    this.#before.push(work);
  }

  #loaded(): Promise<FactStore> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  async #load(): Promise<FactStore> {
    const [store] = await Promise.all([this.#open(), ...this.#before.map((work) => work())]);
    store.onGone = (facts) => this.onGone?.(facts);
    store.onTextsGone = () => this.onTextsGone?.();
    return (this.#store = store);
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
    return (await this.#loaded()).learn(...of);
  }

  async add(...of: Parameters<FactStore["add"]>): Promise<void> {
    return (await this.#loaded()).add(...of);
  }

  async giveVectors(...of: Parameters<FactStore["giveVectors"]>): Promise<void> {
    return (await this.#loaded()).giveVectors(...of);
  }

  async forget(...of: Parameters<FactStore["forget"]>): ReturnType<FactStore["forget"]> {
    return (await this.#loaded()).forget(...of);
  }

  async snapshot(name: string): Promise<void> {
    return (await this.#loaded()).snapshot(name);
  }

  async rollback(name: string): Promise<void> {
    return (await this.#loaded()).rollback(name);
  }

  async removeSnapshot(name: string): Promise<void> {
    return (await this.#loaded()).removeSnapshot(name);
  }

  /** What was never loaded has nothing to close. */
  async close(): Promise<void> {
    await (await this.#loading)?.close();
  }
}
