/**
 * Claim: a writer of facts that is killed at any moment loses nothing that it acknowledged, and leaves no part of anything
 * that it did not.
 *
 *   node bench/fact-kills.ts [moments=1000] [seed=1] [minutes=60]
 *
 * For each moment a process adds facts (some replace others), forgets some, and takes snapshots, over what those before
 * it have left, and says each change when it is acknowledged; after a random time it is killed (SIGKILL). Then the log
 * is opened: all that was acknowledged must be there, what was forgotten must be gone, from the file's bytes as well,
 * and of the changes that were under way each fact is whole or absent (`setup/kill-ledger.ts`, whose test plants losses). Behind the
 * last whole commit may be the beginning of one that adds what was under way; nothing of what was forgotten is there, either.
 * Any fault is an error. Ends after so many minutes at the latest, and says how many moments it came to.
 */
import { readWords } from "./setup/command-line.ts";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FactStore } from "../src/facts/index.ts";
import { parseLog } from "../src/facts/log-format.ts";
import { FactLogFile } from "../src/facts/node/index.ts";
import { Random } from "../src/numerics/index.ts";
import { KillLedger } from "./setup/kill-ledger.ts";

const { moments, seed, minutes } = readWords({ moments: 1000, seed: 1, minutes: 60 });
const random = Random.fromSeed(seed, "kills");
const folder = await mkdtemp(join(tmpdir(), "engram-bench-kills-"));
process.on("exit", () => void rm(folder, { recursive: true, force: true }));

const at = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
/** Says "begin ID VALUE", "done ID VALUE", "forget ID", "forgotten ID". Values are long, and of one letter. */
const program = `
  const { FactLogFile } = await import(${at("../src/facts/node/index.ts")});
  const { FactStore } = await import(${at("../src/facts/index.ts")});
  const { completionOf } = await import(${at("./setup/kill-ledger.ts")});
  const { writeSync } = await import("node:fs");
  const [folder, first] = process.argv.slice(1);
  const log = new FactLogFile(folder, { fingerprint: () => new Uint8Array(32) });
  const store = new FactStore({ log, records: await log.read() });
  const createdAt = new Date(0).toISOString();
  const say = (text) => writeSync(1, text + "\\n");
  // In the order in which they were asked for: of changes that are written together the later may be answered first.
  let told;
  const tell = (text, made) => (told = Promise.all([told, made]).then(() => say(text)));
  say("ready");
  for (let n = Number(first); ; n++) {
    const id = "k" + (n % 40);
    const value = completionOf(n);
    if (n % 11 === 5) {
      say("forget " + id);
      tell("forgotten " + id, store.forget({ id }));
    } else {
      say("begin " + id + " " + n);
      tell("done " + id + " " + n, store.add([{ fact: { id, scope: "s", prompt: "p", completion: value, createdAt }, edits: [] }]));
    }
    if (n % 3 === 0) await new Promise((resolve) => setTimeout(resolve, n % 5));
  }`;

const ledger = new KillLedger();
const deadline = performance.now() + minutes * 60_000;
let [moment, numTorn] = [0, 0];
for (; moment < moments && performance.now() < deadline; moment++) {
  const words = ["--input-type=module", "-e", program, folder, `${ledger.next}`];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (piece: Buffer) => (said += piece.toString()));
  const end = once(child, "close").then(() => true);
  while (!said.includes("ready\n"))
    if ((await Promise.race([once(child.stdout, "data"), end])) === true)
      throw new Error(`moment ${moment}: the writer ended before it wrote`);
  await new Promise((resolve) => void setTimeout(resolve, random.int(300)));
  child.kill("SIGKILL");
  await end;
  const log = new FactLogFile(folder);
  const store = new FactStore({ records: await log.read() });
  const facts = new Map(store.facts().map(({ fact }) => [fact.id, fact.completion]));
  const file = await readFile(log.name).catch(() => Buffer.alloc(0));
  const whole = file.length === 0 ? 0 : parseLog(file, { where: log.name }).end;
  const [bytes, torn] = [file.subarray(0, whole), file.subarray(whole)].map((part) =>
    part.toString("latin1"),
  ) as [string, string];
  if (torn !== "") numTorn++;
  try {
    ledger.hear(said);
    ledger.check({ facts, bytes, torn });
  } catch (error) {
    throw new Error(`moment ${moment}: ${(error as Error).message}`, { cause: error });
  }
  if (moment % 50 === 49)
    process.stderr.write(`${moment + 1} moments, ${ledger.changes} changes\n`);
}
console.log("moments,acknowledged_changes,changes_under_way_at_a_kill,torn_ends,faults");
console.log(`${moment},${ledger.changes},${ledger.undecided},${numTorn},0`);
