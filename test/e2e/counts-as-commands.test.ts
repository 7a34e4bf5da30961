/** Every command on models with a counted memory, alone and beside learned rows; the server as a process. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { saveModel } from "../../src/save-model.ts";
import { engram, engramJson } from "../engram.ts";
import { modelToSave, text } from "../models/model-to-save.ts";
import { startRangeServer } from "../range-server.ts";
import { redisServer, startCluster, withoutRedis } from "../redis-cluster.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const root = await mkdtemp(join(tmpdir(), "engram-counts-"));
after(() => rm(root, { recursive: true }));
const order = 4;
const texts = join(root, "text.txt");
await writeFile(texts, `${text.repeat(30)}\n`);

async function refused(message: RegExp, ...words: string[]): Promise<void> {
  const { status, stdout, stderr } = await engram(...words);
  assert.notEqual(status, 0, stdout);
  assert.match(stderr, message);
  assert.doesNotMatch(stderr, /bug of engram/);
}

for (const hasRows of [false, true])
  describe(`a model with counts ${hasRows ? "and learned rows" : "alone"}`, async () => {
    const model = join(root, String(hasRows));
    const tables = join(root, `tables-${hasRows}`);
    const saved = await modelToSave({
      hasMemory: hasRows,
      maxPositions: 64,
      counted: { order },
    });
    await saveModel(model, saved);
    const blocks = saved.counts!.buckets.numRows;
    const sampled = ["--prompt", "the cat", "--max-tokens", "20", "--seed", "3"];
    const written = async (from: string, ...words: string[]): Promise<string> =>
      (await engramJson("generate", from, ...sampled, ...words)).text;
    const expected = written(model);

    test("is shown with what it counts, and verified", async () => {
      const { counted, memory } = await engramJson("show", model);
      assert.equal(counted.order, order);
      assert.ok(counted.contexts >= blocks, `${counted.contexts}`);
      assert.equal(memory !== undefined, hasRows);
      const { stdout } = await engram("show", model);
      assert.match(
        stdout,
        /counts +what followed contexts of up to 3 ids in the training text, about/,
      );
      assert.equal((await engram("verify", model)).status, 0);
    });

    test("writes the same from RAM, through a cache and from table files, which are verified", async () => {
      assert.equal(await written(model, "--table", "cache:16KiB"), await expected);
      const pushed = await engram("table", "push", model, tables);
      assert.match(pushed.stdout, new RegExp(`counts: ${blocks} blocks of 64 bytes pushed\n`));
      assert.equal((await readdir(tables)).length, hasRows ? 2 : 1);
      const { tables: verified } = await engramJson("table", "verify", model, tables);
      assert.deepEqual(
        verified.map(({ kind }: { kind: string }) => kind),
        hasRows ? ["rows", "counts"] : ["counts"],
      );
      assert.equal(await written(model, "--table", tables), await expected);
      const files: Record<string, Uint8Array> = {};
      for (const name of await readdir(tables)) files[name] = await readFile(join(tables, name));
      await using web = await startRangeServer(files);
      assert.equal(await written(model, "--table", `${web.origin}/`), await expected);
      assert.equal((await engram("table", "verify", model, `${web.origin}/`)).status, 0);
      const path = join(tables, `engram-${saved.config.numLayers}.tbl`);
      await using table = await open(path, "r+");
      await table.write(Uint8Array.of(0x5a, 0xa5), 0, 2, (await stat(path)).size - 200);
      await refused(/engram-2\.tbl: block \d+/, "table", "verify", model, tables);
    });

    test(
      "writes the same from a cluster",
      { skip: redisServer === undefined && withoutRedis },
      async () => {
        await using cluster = { ...(await startCluster()), [Symbol.asyncDispose]: stop };
        async function stop(this: { stop(): Promise<void> }): Promise<void> {
          await this.stop();
        }
        const address = `redis://127.0.0.1:${cluster.nodes[0]!.port}/counts`;
        assert.equal((await engram("table", "push", model, address)).status, 0);
        assert.equal((await engram("table", "verify", model, address)).status, 0);
        assert.equal(await written(model, "--table", address), await expected);
      },
    );

    test("switched off, is another model; parts of learned rows are not those of counts", async () => {
      assert.notEqual(await written(model, "--no-memory"), await expected);
      const words = ["eval", model, "--bpb", texts, "--ablate", "orders=2"];
      if (!hasRows) await refused(/counts alone|learned rows/, ...words);
    });

    test("is scored and audited", async () => {
      const { bitsPerByte } = await engramJson("eval", model, "--bpb", texts);
      const off = await engramJson("eval", model, "--bpb", texts, "--no-memory");
      assert.ok(bitsPerByte < off.bitsPerByte - 0.5, `${bitsPerByte}, off ${off.bitsPerByte}`);
      const { rows, mixture } = await engramJson(
        "audit",
        model,
        "--text",
        texts,
        "--trained",
        texts,
      );
      const names = rows.map(({ name }: { name: string }) => name);
      for (const name of ["on", "off", "weights at their mean", "on + Kneser-Ney 4"])
        assert.ok(names.includes(name), names.join(", "));
      assert.equal(names.includes("rows alone"), hasRows);
      assert.deepEqual(Object.keys(mixture), ["backbone", "order 2", "order 3", "order 4"]);
      const { stdout } = await engram("audit", model, "--text", texts, "--limit", "100");
      assert.match(
        stdout,
        /\nmean weights: backbone 0\.\d+, order 2 0\.\d+, order 3 0\.\d+, order 4/,
      );
      assert.match(stdout, /\nwith the weights of its counts held\nweights at their mean +\d/);
    });

    test("is quantised with its counts as they are", async () => {
      const out = join(root, `quantized-${hasRows}`);
      const { status, stderr } = await engram("quantize", model, "--dtype", "q8", "--out", out);
      assert.equal(status, 0, stderr);
      assert.equal((await engram("verify", out)).status, 0);
      assert.equal((await engramJson("show", out)).counted.order, order);
      assert.ok((await written(out)).length > 0);
      const rows = ["quantize", model, "--rows", "bf16", "--out", join(root, `rows-${hasRows}`)];
      if (!hasRows) await refused(/counts and no learned rows/, ...rows);
    });

    test("is examined by the doctor, its counts included", async () => {
      const { table, model: found } = await engramJson("doctor", model);
      const rows = saved.tables.reduce((sum, { store }) => sum + store.numRows, blocks);
      assert.equal(table.rows, rows);
      assert.ok(table.rowsPerToken > (hasRows ? 4 : 1) && table.rowsPerToken < 40);
      assert.ok(found.compute.mean > 0);
    });

    test("is served from a cache as it writes from RAM", async () => {
      const words = ["serve", model, "--port", "0", "--json", "--table", "cache:16KiB"];
      const child = spawn(process.execPath, [main, ...words]);
      let log = "";
      child.stderr.on("data", (part) => (log += part));
      try {
        const line = await new Promise<string>((resolve, reject) => {
          createInterface(child.stdout).once("line", resolve);
          child.once("close", () => reject(new Error(log)));
        });
        const { url } = JSON.parse(line) as { url: string };
        const ask = async (path: string, body?: object) =>
          (await (
            await fetch(url + path, {
              ...(body && { method: "POST", body: JSON.stringify(body) }),
              headers: { "content-type": "application/json" },
            })
          )
            // oxlint-disable-next-line typescript/no-explicit-any -- answers of many shapes
            .json()) as any;
        const request = { prompt: "the cat", max_tokens: 20, temperature: 0 };
        const greedy = await written(model, "--temperature", "0");
        const several = await Promise.all([1, 2, 3].map(() => ask("/v1/completions", request)));
        for (const { choices } of several) assert.equal(choices[0].text, greedy);
        const off = { ...request, engram: { enabled: false } };
        const bare = await written(model, "--temperature", "0", "--no-memory");
        assert.equal((await ask("/v1/completions", off)).choices[0].text, bare);
        const { counts } = await ask("/engram/memory");
        assert.equal(counts.blocks, blocks);
        assert.ok(counts.tiers.some(({ rows_read: read }: { rows_read: number }) => read > 0));
      } finally {
        child.kill("SIGKILL");
      }
    });
  });
