/**
 * All facts of one model: which there are, in which order they came, and what a request with some scopes sees of them.
 * A change is on its log before anybody sees it. Changes wait for each other, never for a reader: a view is the state of
 * one moment, and later changes do not touch it. Knows ids and texts; no model, no file.
 */
import { sameBytes } from "../bytes/index.ts";
import { RequestError } from "../errors.ts";
import type { Memory } from "../memory/memory.ts";
import { ChangeQueue } from "./change-queue.ts";
import {
  type Contents,
  encodedOf,
  type FactToAdd,
  isIn,
  isMeant,
  isTextMeant,
  keyOf,
  neededIn,
  recordsOf,
  type Selection,
  type Stored,
  type StoredVector,
  without,
} from "./contents.ts";
import type { SubjectEdit, VectorReader } from "./edit.ts";
import type { Fact } from "./fact.ts";
import { DEFAULT_SCOPE, isFactName } from "./fact-name.ts";
import type { FactLog, News } from "./fact-log.ts";
import { KeyIndex } from "./key-index.ts";
import {
  checkText,
  type LearnedScope,
  type LearnedSize,
  LearnedTexts,
  sizesOf,
  type TextToLearn,
} from "./learned-texts.ts";
import {
  encodeRecord,
  type FactRecord,
  type LogRecord,
  type SnapshotRecord,
  type TextRecord,
} from "./log-format.ts";
import { checkQuota, type Quota } from "./quota.ts";
import { TaughtMemory } from "./taught-memory.ts";

export interface Snapshot {
  readonly name: string;
  readonly numFacts: number;
}

/** What was erased. */
export interface Forgotten {
  readonly facts: readonly Fact[];
  /** What scopes had learned. */
  readonly learned: readonly LearnedSize[];
}

/** The keys of a scope. */
interface ScopeIndex {
  readonly successors: KeyIndex<Stored>;
  readonly vectors: KeyIndex<StoredVector>;
}

export class FactStore {
  readonly #log: FactLog | undefined;
  #stored: Stored[] = [];
  /** Those that are not replaced, by scope and id. */
  readonly #live = new Map<string, Stored>();
  #snapshots: SnapshotRecord[] = [];
  readonly #texts = new LearnedTexts();
  readonly #indexes = new Map<string, ScopeIndex>();
  /** Of the last change that was planned. */
  #number = 0;
  /** Counts the changes that readers saw. */
  #moment = 0;
  #nextExpiry = Infinity;
  /** The log has facts that have expired since it was written. */
  #isLogBehind = false;
  /** Has changed the log. */
  #isWriter = false;
  /** Facts in the indexes that no later view sees. */
  #numHidden = 0;
  readonly #changes: ChangeQueue<Contents> = new ChangeQueue({
    begin: async () => this.#see(await this.#log?.begin()),
    look: async () => this.#see(await this.#log?.look()),
    append: (records) => this.#append(records),
    replace: (contents) => this.#replace(neededIn(contents)),
    tidy: () => this.#compact(),
  });
  /** Tells this store's views from all others'. */
  readonly #identity = crypto.randomUUID();
  /** Undefined until it is known, when no vector is read. */
  reader: VectorReader | undefined;
  /** Called with facts that are gone from now on, whoever erased them. */
  onGone: ((facts: readonly Fact[]) => void) | undefined;
  /** Called where texts that were learned are gone. */
  onTextsGone: (() => void) | undefined;
  readonly #now: () => number;

  /** Without a log facts are gone with the process. `now` is the time for expiry, in milliseconds since 1970. */
  constructor({
    log,
    records = [],
    now = Date.now,
  }: {
    log?: FactLog | undefined;
    records?: readonly LogRecord[];
    now?: () => number;
  } = {}) {
    this.#log = log;
    this.#now = now;
    for (const record of records) this.#add(record);
    log?.watch(() => this.#changes.addIfAny(() => nothing).catch(() => undefined));
  }

  /** Where facts are kept; undefined: nowhere. */
  get place(): string | undefined {
    return this.#log?.name;
  }

  get snapshots(): Snapshot[] {
    this.#expire();
    return this.#snapshots.map(({ name, number }) => ({
      name,
      numFacts: this.#stored.filter((one) => isIn(one, number)).length,
    }));
  }

  /** The facts of some scopes with what was written for them, in the order in which they came. Default: of all. */
  facts(scopes?: readonly string[]): Stored[] {
    this.#expire();
    return this.#stored.filter(
      (one) => one.until === Infinity && (scopes?.includes(one.fact.scope) ?? true),
    );
  }

  /**
   * What a request with these scopes reads from now on, in place of `base`: `base` itself where they have no facts. Of
   * equal keys the one of the scope listed last counts, and within a scope the one that came last.
   */
  memory(
    base: Memory | undefined,
    scopes: readonly string[] = [DEFAULT_SCOPE],
  ): Memory | undefined {
    this.#expire();
    const moment = this.#moment;
    const indexes = scopes.flatMap((scope) => this.#indexes.get(scope) ?? []);
    if (indexes.length === 0) return base;
    return new TaughtMemory(base, {
      successors: indexes.map(({ successors }) => successors),
      vectors: indexes.map(({ vectors }) => vectors),
      scopes,
      isThere: ({ since, until }) => since <= moment && moment < until,
      reader: this.reader,
      identity: `${this.#identity} ${moment} ${JSON.stringify(scopes)}`,
    });
  }

  /** Whose facts a memory sees that `memory` has given. */
  scopesOf(memory: Memory | undefined): readonly string[] {
    return memory instanceof TaughtMemory ? memory.scopes : [];
  }

  /** How much each scope has learned. Default: all that have. */
  learnedSizes(scopes?: readonly string[]): LearnedSize[] {
    return this.#texts.sizes.filter(({ scope }) => scopes?.includes(scope) ?? true);
  }

  /** What some scopes have learned until now, the first first; not of those that have learned nothing. */
  learned(scopes: readonly string[] = [DEFAULT_SCOPE]): LearnedScope[] {
    return scopes.flatMap((scope) => {
      const texts = this.#texts.of(scope);
      return texts === undefined ? [] : [texts];
    });
  }

  /** Keeps a text among the last that its scope has learned. Throws `RequestError` where a scope would hold more than it may. */
  learn(text: TextToLearn, quota: Quota = {}): Promise<void> {
    const { ids, scope } = checkText(text);
    return this.#changes.add((ahead) => {
      const record: TextRecord = { kind: "text", number: ++this.#number, scope, ids };
      const added = { facts: ahead.facts, texts: [...ahead.texts, record] };
      checkQuota(scope, { added, live: this.#live.values(), texts: this.#texts, quota });
      const texts = this.#texts.withoutOldest(record, ahead.texts);
      return texts === undefined
        ? { records: [record] }
        : { contents: { ...this.#contents, texts } };
    });
  }

  get #contents(): Contents {
    return { stored: this.#stored, snapshots: this.#snapshots, texts: this.#texts.records };
  }

  /**
   * Adds facts, all or none; one with the id of another of its scope replaces it. Throws `RequestError` where a scope
   * would hold more than it may.
   */
  add(facts: readonly FactToAdd[], quota: Quota = {}): Promise<void> {
    return this.#changes.add((ahead) => {
      const added = { facts: [...ahead.facts, ...facts], texts: ahead.texts };
      for (const scope of new Set(facts.map(({ fact }) => fact.scope)))
        checkQuota(scope, { added, live: this.#live.values(), texts: this.#texts, quota });
      return { records: this.#records(facts, ahead.facts) };
    });
  }

  /** Gives facts their vectors. One that was changed or forgotten since it was read stays as it is, or gone. */
  giveVectors(
    given: readonly { readonly stored: Stored; readonly subject: SubjectEdit }[],
  ): Promise<void> {
    return this.#changes.add((ahead) => {
      const known = given.filter(
        ({ stored: { fact, number } }) => this.#live.get(keyOf(fact))?.number === number,
      );
      const facts = known.map(({ stored: { fact, edits }, subject }) => ({ fact, edits, subject }));
      return { records: this.#records(facts, ahead.facts) };
    });
  }

  /** A vector that was found for a fact which is gone by now has something of it, and is not kept. */
  #records(facts: readonly FactToAdd[], before: readonly FactToAdd[]): FactRecord[] {
    let added: Set<string> | undefined;
    const isAdded = (key: string): boolean =>
      (added ??= new Set([...before, ...facts].map(({ fact }) => keyOf(fact)))).has(key);
    return facts.map(({ fact, edits, subject }) => {
      const keys = subject?.factIds.map((id) => keyOf({ scope: fact.scope, id })) ?? [];
      const isKnown = keys.every((key) => this.#live.has(key) || isAdded(key));
      const number = ++this.#number;
      return { kind: "fact", number, fact, edits, ...(isKnown && { subject }) };
    });
  }

  /** Whether vectors of what stays were found for some of these facts, too: with them they go. */
  sharesVectors(selection: Selection): boolean {
    const gone = new Set(
      this.#stored.filter((one) => isMeant(one, selection)).map(({ fact }) => keyOf(fact)),
    );
    return this.facts().some(
      ({ fact, subject }) =>
        !gone.has(keyOf(fact)) &&
        subject?.factIds.some((id) => gone.has(keyOf({ scope: fact.scope, id }))),
    );
  }

  /**
   * Erases facts, from snapshots as well, and what their scope has learned where all of it is meant. Resolves to that when
   * nothing of it is in the log.
   */
  async forget(selection: Selection): Promise<Forgotten> {
    const isGone = (one: Stored): boolean => isMeant(one, selection);
    let gone: Forgotten = { facts: [], learned: [] };
    await this.#changes.addIfAny(() => {
      const meant = this.#stored.filter(isGone);
      const { records } = this.#texts;
      const texts = records.filter((one) => !isTextMeant(one, selection));
      gone = {
        facts: meant.filter(({ until }) => until === Infinity).map(({ fact }) => fact),
        learned: sizesOf(records.filter((one) => isTextMeant(one, selection))),
      };
      const isNothing = meant.length === 0 && texts.length === records.length;
      // It may be one that has expired.
      if (isNothing && !this.#isLogBehind) return nothing;
      const stored = without(this.#stored, isGone);
      return { contents: { ...this.#contents, stored, texts } };
    });
    return gone;
  }

  /** Gives the present state a name. Throws `RequestError` for one that is taken. */
  snapshot(name: string): Promise<void> {
    if (!isFactName(name as unknown))
      throw new RequestError(
        `a snapshot's name has 1 to 64 letters, digits, "_", ".", ":" or "-", got "${name.slice(0, 80)}"`,
      );
    return this.#changes.add(() => {
      if (this.#snapshots.some((one) => one.name === name))
        throw new RequestError(
          `there is a snapshot "${name}" already; take another name, or remove it`,
        );
      return { records: [{ kind: "snapshot", number: ++this.#number, name }] };
    });
  }

  /**
   * Becomes what it was at a snapshot, but for what was forgotten since: that is gone. Later snapshots go, too. Throws
   * `RequestError` where there is none.
   */
  rollback(name: string): Promise<void> {
    return this.#changes.add(() => {
      const { number } = this.#snapshotOf(name);
      const stored = this.#stored
        .filter((one) => one.number <= number)
        // Views that were taken before keep the others.
        .map((one) => (one.replacedBy > number ? { ...one, replacedBy: Infinity } : one));
      const snapshots = this.#snapshots.filter((one) => one.number <= number);
      const texts = this.#texts.records.filter((one) => one.number <= number);
      return { contents: { stored, snapshots, texts } };
    });
  }

  /** Throws `RequestError` where there is none. */
  removeSnapshot(name: string): Promise<void> {
    return this.#changes.add(() => {
      const gone = this.#snapshotOf(name);
      const snapshots = this.#snapshots.filter((one) => one !== gone);
      return { contents: { ...this.#contents, snapshots } };
    });
  }

  #see(news: News | undefined): void {
    if (news?.isAll === true) this.#become(this.#contentsOf(news.records));
    else if (news !== undefined) {
      this.#moment++;
      for (const record of news.records) this.#add(record);
    }
    this.#expire();
  }

  /** With the facts that are held already, where nothing has changed in them. */
  #contentsOf(records: readonly LogRecord[]): Contents {
    const known = new Map(this.#stored.map((one) => [one.number, one]));
    const later = new Map<string, number>();
    const stored: Stored[] = [];
    for (const record of records.toReversed()) {
      this.#number = Math.max(this.#number, record.number);
      if (record.kind !== "fact") continue;
      const key = keyOf(record.fact);
      const replacedBy = later.get(key) ?? Infinity;
      later.set(key, record.number);
      const held = known.get(record.number);
      const isSame =
        held?.replacedBy === replacedBy && sameBytes(encodedOf(held), encodedOf(record));
      stored.unshift(isSame ? held : this.#made(record, replacedBy));
    }
    const snapshots = records.filter((one) => one.kind === "snapshot");
    return { stored, snapshots, texts: records.filter((one) => one.kind === "text") };
  }

  /** Waits for changes that were asked for. */
  async close(): Promise<void> {
    await this.#changes.finish();
    await this.#log?.close();
  }

  #snapshotOf(name: string): SnapshotRecord {
    const found = this.#snapshots.find((one) => one.name === name);
    if (found !== undefined) return found;
    const names = this.#snapshots.map((one) => one.name).join(", ") || "none";
    throw new RequestError(`there is no snapshot "${name.slice(0, 80)}"; there are: ${names}`);
  }

  async #append(records: readonly LogRecord[]): Promise<void> {
    if (records.length === 0) return;
    const encoded = records.map((record) => ({ ...record, encoded: encodeRecord(record) }));
    await this.#log?.append(encoded.map((record) => record.encoded));
    this.#isWriter = true;
    this.#moment++;
    for (const record of encoded) this.#add(record);
  }

  async #replace(contents: Contents): Promise<void> {
    await this.#log?.replace(recordsOf(contents));
    this.#isWriter = true;
    this.#isLogBehind = false;
    this.#become(contents);
  }

  /** Writes the log anew where it has what expired, or most of it is what was replaced since. */
  async #compact(): Promise<void> {
    this.#expire();
    const isWasteful = this.#stored.length >= 2 * this.#live.size + LEAST_WASTE;
    if (!this.#isLogBehind && !isWasteful) return;
    const contents = neededIn(this.#contents);
    if (!this.#isLogBehind && contents.stored.length > this.#stored.length / 2) return;
    await this.#replace(contents);
  }

  #add(record: LogRecord): void {
    this.#number = Math.max(this.#number, record.number);
    if (record.kind === "snapshot") this.#snapshots.push(record);
    else if (record.kind === "text") this.#texts.add(record);
    else {
      const stored = this.#made(record, Infinity);
      this.#stored.push(stored);
      this.#show(stored);
    }
  }

  #made({ kind, fact, edits, subject, number, encoded }: FactRecord, replacedBy: number): Stored {
    const since = this.#moment;
    const until = replacedBy === Infinity ? Infinity : since;
    return { kind, fact, edits, subject, number, replacedBy, since, until, encoded };
  }

  /** Readers see it from this moment on. */
  #show(stored: Stored): void {
    const { fact, edits, subject, number } = stored;
    if (stored.until !== Infinity) return;
    let index = this.#indexes.get(fact.scope);
    if (index === undefined) {
      index = { successors: new KeyIndex(), vectors: new KeyIndex() };
      this.#indexes.set(fact.scope, index);
    }
    for (const edit of edits) index.successors.add(edit, stored);
    for (const edit of subject?.vectors ?? [])
      for (const key of edit.keys)
        // A key alone: what comes after it is not looked at.
        index.vectors.add({ ids: [...key, 0], from: key.length }, { stored, edit });
    const key = keyOf(fact);
    const before = this.#live.get(key);
    if (before !== undefined) {
      [before.replacedBy, before.until] = [number, this.#moment];
      this.#numHidden++;
    }
    this.#live.set(key, stored);
    if (fact.expiresAt !== undefined)
      this.#nextExpiry = Math.min(this.#nextExpiry, Date.parse(fact.expiresAt));
  }

  /** Views that were taken before go on with what they have. */
  #become({ stored, snapshots, texts }: Contents): void {
    if (this.#texts.become(texts)) this.onTextsGone?.();
    this.#moment++;
    const [kept, had] = [new Set(stored), new Set(this.#stored)];
    const gone = this.#stored.filter((one) => !kept.has(one));
    for (const one of gone) {
      one.until = Math.min(one.until, this.#moment);
      this.#numHidden++;
      const key = keyOf(one.fact);
      if (this.#live.get(key) === one) this.#live.delete(key);
    }
    this.#snapshots = [...snapshots];
    this.#stored = stored.map((one) => (had.has(one) ? one : this.#made(one, one.replacedBy)));
    for (const one of this.#stored) if (!had.has(one)) this.#show(one);
    if (gone.length > 0) this.onGone?.(gone.map(({ fact }) => fact));
    // What nobody sees any more takes memory, and a look at each of its keys.
    if (this.#numHidden <= this.#live.size / 4) return;
    this.#numHidden = 0;
    this.#indexes.clear();
    const live = [...this.#live.values()];
    this.#live.clear();
    for (const one of live) this.#show(one);
  }

  /**
   * What has expired is gone for readers, with the vectors that were found for it. The log loses it with the next change:
   * who only reads writes nothing.
   */
  #expire(): void {
    const now = this.#now();
    if (now < this.#nextExpiry) return;
    const isOver = ({ fact }: Stored): boolean =>
      fact.expiresAt !== undefined && Date.parse(fact.expiresAt) <= now;
    // With what it had replaced; not what has replaced it.
    const over = new Map<string, number>();
    for (const one of this.#stored) if (isOver(one)) over.set(keyOf(one.fact), one.number);
    const isGone = ({ fact, number }: Stored): boolean => number <= (over.get(keyOf(fact)) ?? -1);
    this.#nextExpiry = Infinity;
    const stored = without(this.#stored, isGone);
    if (over.size > 0) {
      this.#isLogBehind = true;
      this.#become({ ...this.#contents, stored });
    }
    for (const { fact } of stored)
      if (fact.expiresAt !== undefined)
        this.#nextExpiry = Math.min(this.#nextExpiry, Date.parse(fact.expiresAt));
    if (over.size > 0 && (this.#isWriter || this.#log === undefined))
      void this.#changes
        // Of several servers, one is first.
        .add(() => (this.#isLogBehind ? { contents: this.#contents } : nothing))
        .catch(() => undefined);
  }
}

const nothing = { records: [] };

/** Facts: fewer that were replaced are no reason to write a log anew. */
const LEAST_WASTE = 256;
