/**
 * Claim: a writer of facts that is killed at any moment loses nothing that it acknowledged, and leaves no part of anything
 * that it did not.
 *
 *   node bench/fact-kills.ts [moments=1000] [seed=1]
 *
 * For each moment a process adds facts (some replace others), forgets some, and takes snapshots, over what those before
 * it have left, and says each change when it is acknowledged; after a random time it is killed (SIGKILL). Then the log
 * is opened: all that was acknowledged must be there, what was forgotten must be gone, from the file's bytes as well,
 * and of the changes that were under way each fact is whole or absent. Ends with a list of what was found; any fault is
 * an error.
 */
import "./setup/command-line.ts";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FactStore } from "../src/facts/index.ts";
import { FactLogFile } from "../src/facts/node/index.ts";
import { Random } from "../src/numerics/index.ts";

const [moments = 1000, seed = 1] = process.argv.slice(2).map(Number);
const random = Random.fromSeed(seed, "kills");
const folder = await mkdtemp(join(tmpdir(), "engram-bench-kills-"));
process.on("exit", () => void rm(folder, { recursive: true, force: true }));

const at = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
/** Says "begin ID VALUE", "done ID VALUE", "forget ID", "forgotten ID". Values are long, and of one letter. */
const program = `
  const { FactLogFile } = await import(${at("../src/facts/node/index.ts")});
  const { FactStore } = await import(${at("../src/facts/index.ts")});
  const { writeSync } = await import("node:fs");
  const [folder, first] = process.argv.slice(1);
  const log = new FactLogFile(folder, { fingerprint: () => new Uint8Array(32) });
  const store = new FactStore({ log, records: await log.read() });
  const createdAt = new Date(0).toISOString();
  const say = (text) => writeSync(1, text + "\\n");
  say("ready");
  for (let n = Number(first); ; n++) {
    const id = "k" + (n % 40);
    const value = "<" + n + ">" + "x".repeat(n * 37 % 3000);
    if (n % 11 === 5) {
      say("forget " + id);
      store.forget({ id }).then(() => say("forgotten " + id));
    } else {
      say("begin " + id + " " + n);
      store.add([{ fact: { id, scope: "s", prompt: "p", completion: value, createdAt }, edits: [] }]).then(() => say("done " + id + " " + n));
    }
    if (n % 3 === 0) await new Promise((resolve) => setTimeout(resolve, n % 5));
  }`;

/** By id: its value, and those that it was asked to have since, not yet acknowledged; undefined for absent. */
const may = new Map<string, (string | undefined)[]>();
let next = 0;
let changes = 0;
let undecided = 0;
for (let moment = 0; moment < moments; moment++) {
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, folder, `${next}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (piece: Buffer) => (said += piece.toString()));
  while (!said.includes("ready\n") && child.exitCode === null) await once(child.stdout, "data");
  await new Promise((resolve) => void setTimeout(resolve, random.int(300)));
  child.kill("SIGKILL");
  await once(child, "close");
  for (const line of said.split("\n").slice(0, -1)) {
    const [word, id, n] = line.split(" ") as [string, string, string | undefined];
    const values = may.get(id) ?? [undefined];
    if (word === "begin" || word === "forget") may.set(id, [...values, n]);
    else if (word === "done" || word === "forgotten") {
      changes++;
      if (values[1] !== n) throw new Error(`moment ${moment}: ${line} was not its turn`);
      may.set(id, values.slice(1));
    }
    if (n !== undefined) next = Math.max(next, Number(n) + 1);
  }
  const log = new FactLogFile(folder);
  const store = new FactStore({ records: await log.read() });
  const found = new Map(store.facts().map(({ fact }) => [fact.id, fact.completion]));
  const bytes = (await readFile(log.name).catch(() => Buffer.alloc(0))).toString("latin1");
  for (const [id, values] of may) {
    const completion = found.get(id);
    const n = completion === undefined ? undefined : /^<(\d+)>/.exec(completion)![1]!;
    if (!values.includes(n))
      throw new Error(`moment ${moment}: ${id} is ${n}, of ${values.join(", ")}`);
    if (n !== undefined && completion !== `<${n}>${"x".repeat((Number(n) * 37) % 3000)}`)
      throw new Error(`moment ${moment}: ${id} is not whole`);
    if (values.length === 1 && n === undefined && bytes.includes(`"id":"${id}"`))
      throw new Error(`moment ${moment}: ${id} was forgotten, and is in the file`);
    if (values.length > 1) undecided++;
    may.set(id, [n]);
  }
}
console.log("moments,acknowledged_changes,changes_under_way_at_a_kill,faults");
console.log(`${moments},${changes},${undecided},0`);
