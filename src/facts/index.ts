/** What people teach a model while it runs: facts, what is written for them, and what a request sees of them. */
export { checkFactRequest, type Fact, type FactRequest } from "./fact.ts";
export { DEFAULT_SCOPE, isFactName } from "./fact-name.ts";
export type { FactToAdd, Selection, Stored } from "./contents.ts";
export { type AnyStore, StoreWhenNeeded } from "./store-when-needed.ts";
export { FactStore, type Forgotten, type Snapshot } from "./fact-store.ts";
export type { LearnedScope, LearnedSize, TextToLearn } from "./learned-texts.ts";
export type { FactLog } from "./fact-log.ts";
export { vocabularyBytes } from "./fingerprint.ts";
export { KNOWN, type KnownGround, knownGround } from "./known.ts";
export { formatFacts, parseFacts } from "./fact-lines.ts";
export { Facts, type ForgetOptions } from "./facts.ts";
export type { LogRecord, LogVocabulary } from "./log-format.ts";
export type { Quota } from "./quota.ts";
export type { Taught, TeachOptions } from "./teach.ts";
export { type Firing, TaughtMemory } from "./taught-memory.ts";
export type { ChatIds } from "./wording.ts";
export { type LogFile, WholeFileLog } from "./whole-file-log.ts";
