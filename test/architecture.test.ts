/**
 * The tree against its own rules, and the rules against made-up trees that break them one at a time.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { relative, sep } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { findBreaches, importsOf, type SourceFile } from "./architecture.ts";
import { importTable } from "./import-table.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

function readTree(): SourceFile[] {
  return globSync(["{src,test,bench,examples}/**/*.ts", "web/**/*.{ts,svelte}"], { cwd: root })
    .toSorted()
    .map((path) => ({
      path: path.split(sep).join("/"),
      text: readFileSync(`${root}/${path}`, "utf8"),
    }));
}

test("the tree keeps every rule", () => {
  assert.deepEqual(findBreaches(readTree()), []);
});

test("the import table has every folder of src and no other", () => {
  const units = new Set(
    readTree()
      .flatMap(({ path }) => /^src\/([^/]+)/.exec(path)?.slice(1) ?? [])
      .filter((unit) => !unit.endsWith(".test.ts")),
  );
  for (const unit of units)
    assert.ok(importTable[unit] !== undefined, `${unit} is not in the table`);
  // Files at the root of src and folders may come later than their rule; this one must be there.
  assert.ok(units.has("errors.ts"));
});

test("the import table has no cycle", () => {
  const visiting = new Set<string>();
  const visit = (unit: string): void => {
    assert.ok(!visiting.has(unit), `${[...visiting, unit].join(" -> ")}`);
    visiting.add(unit);
    for (const to of importTable[unit] ?? []) if (to !== "*") visit(to.replace("type ", ""));
    visiting.delete(unit);
  };
  for (const unit of Object.keys(importTable)) visit(unit);
});

const index: SourceFile[] = ["memory", "tensor", "numerics", "model", "cli", "tokenizer"].map(
  (folder) => ({
    path: `src/${folder}/index.ts`,
    text: '/** Names. */\nexport { a } from "./a.ts";\n',
  }),
);

/** The breaches that one more file brings into a tree that has none. */
function breachesOf(path: string, text: string): string[] {
  assert.deepEqual(findBreaches(index), []);
  return findBreaches([...index, { path, text }]);
}

const head = "/** What it is. */\n";

test("an import that the table does not have is found", () => {
  for (const statement of [
    'import { a } from "../memory/index.ts";',
    'import * as a from "../memory/index.ts";',
    'export { a } from "../memory/index.ts";',
    'import "../memory/index.ts";',
    'const a = await import("../memory/index.ts");',
    'import type { A } from "../memory/index.ts";',
    'import {\n  a,\n  type B,\n} from "../memory/index.ts";',
  ])
    assert.deepEqual(
      breachesOf("src/tensor/x.ts", `${head}${statement}\n`),
      ["src/tensor/x.ts: imports src/memory/index.ts: tensor may not import memory"],
      statement,
    );
});

test("an import that the table has is no breach", () => {
  assert.deepEqual(
    breachesOf("src/model/x.ts", `${head}import { a } from "../tensor/index.ts";\n`),
    [],
  );
  assert.deepEqual(breachesOf("src/model/x.ts", `${head}import { a } from "../errors.ts";\n`), []);
  assert.deepEqual(breachesOf("src/model/x.ts", `${head}import { a } from "./y.ts";\n`), []);
  assert.deepEqual(
    breachesOf("src/model/x.ts", `${head}// import { a } from "../memory/y.ts";\n`),
    [],
  );
});

test("where only types may cross, a value that crosses is found", () => {
  const types = 'import { type A, type B } from "../memory/index.ts";\n';
  assert.deepEqual(breachesOf("src/model/x.ts", head + types), []);
  assert.deepEqual(breachesOf("src/model/x.ts", head + types.replace("type B", "B")), [
    "src/model/x.ts: imports B of src/memory/index.ts: model may import only types from memory",
  ]);
});

test("an import past an index is found, type or not", () => {
  assert.deepEqual(
    breachesOf("src/model/x.ts", `${head}import type { A } from "../tensor/graph.ts";\n`),
    ["src/model/x.ts: imports src/tensor/graph.ts past its folder's index.ts"],
  );
  assert.deepEqual(
    breachesOf("src/cli/x.ts", `${head}import { A } from "../tensor/backends/a/index.ts";\n`),
    ["src/cli/x.ts: imports src/tensor/backends/a/index.ts past its folder's index.ts"],
  );
});

test("a folder that the table does not know is found", () => {
  const breaches = breachesOf("src/extra/x.ts", head);
  assert.deepEqual(breaches, [
    'src/extra/x.ts: "extra" is not in the import table',
    "src/extra: has no index.ts",
  ]);
});

test("Node's modules outside node/, cli/ and tests are found", () => {
  const text = `${head}import { readFile } from "node:fs/promises";\n`;
  assert.deepEqual(breachesOf("src/memory/x.ts", text), [
    "src/memory/x.ts: imports node:fs/promises outside node/ and cli/",
  ]);
  assert.deepEqual(breachesOf("src/memory/x.test.ts", text), []);
  assert.deepEqual(breachesOf("src/cli/x.ts", text), []);
  assert.deepEqual(breachesOf("src/memory/node/x.ts", text), ["src/memory/node: has no index.ts"]);
  assert.match(breachesOf("src/memory/x.ts", text.replace("node:", "")).join(), /without "node:"/);
});

test("a way around that rule, through another folder's node/, is found", () => {
  const text = `${head}import { a } from "./node/a.ts";\n`;
  assert.match(
    breachesOf("src/memory/x.ts", text).join(),
    /imports src\/memory\/node\/a\.ts: only/,
  );
});

test("a package outside its home is found", () => {
  const text = `${head}import { z } from "zod";\n`;
  assert.deepEqual(breachesOf("src/cli/x.ts", text), []);
  assert.deepEqual(breachesOf("src/memory/x.ts", text), [
    "src/memory/x.ts: imports zod, which only src/cli/ and src/server/ and src/eval/tasks/ and src/study/ and src/schema-words.ts may",
  ]);
});

test("the page imports its own files, its packages, and types alone of the library", () => {
  const type = 'import type { A } from "../../src/inspect/report.ts";\n';
  assert.deepEqual(breachesOf("web/src/x.ts", head + type), []);
  assert.deepEqual(breachesOf("web/src/x.ts", `${head}import { a } from "./a.ts";\n`), []);
  assert.deepEqual(breachesOf("web/src/x.ts", `${head}import { mount } from "svelte";\n`), []);
  assert.deepEqual(breachesOf("web/src/x.ts", head + type.replace("import type", "import")), [
    "web/src/x.ts: imports A of src/inspect/report.ts: only types may cross",
  ]);
  for (const target of ["zod", "node:fs", "vite", "../../test/run.ts"])
    assert.equal(breachesOf("web/src/x.ts", `${head}import { a } from "${target}";\n`).length, 1);
  const component =
    '<script lang="ts">\n  // What it is.\n  import A from "./A.svelte";\n</script>';
  assert.deepEqual(breachesOf("web/src/X.svelte", component), []);
  assert.equal(breachesOf("web/src/X.svelte", component.replace("// What it is.", "")).length, 1);
});

test("a file over the limit, without a head, or without a name is found", () => {
  assert.deepEqual(breachesOf("src/memory/x.ts", head + "\n".repeat(499)), []);
  assert.deepEqual(breachesOf("src/memory/x.ts", head + "\n".repeat(500)), [
    "src/memory/x.ts: 501 lines, the limit is 500",
  ]);
  assert.deepEqual(breachesOf("src/memory/x.ts", "const a = 1;\n"), [
    "src/memory/x.ts: does not begin with a comment",
  ]);
  assert.deepEqual(breachesOf("src/memory/x.ts", `#!/usr/bin/env node\n${head}`), []);
  for (const path of ["src/memory/utils.ts", "test/helpers/x.ts", "src/memory/misc.test.ts"])
    assert.match(breachesOf(path, head).join(), /is no name/, path);
  assert.deepEqual(breachesOf("src/memory/utilisation.ts", head), []);
});

test("logic in an index is found", () => {
  const other = index.filter(({ path }) => path !== "src/memory/index.ts");
  const text = `${head}export { a } from "./a.ts";\nexport const b = 1;\n`;
  assert.deepEqual(findBreaches([...other, { path: "src/memory/index.ts", text }]), [
    "src/memory/index.ts: an index.ts lists names and holds no logic",
  ]);
});

test("work left open and tests left out are found", () => {
  const open = `${head}// ${["TO", "DO"].join("")}: later\n`;
  assert.match(breachesOf("src/memory/x.ts", open).join(), /left in the code/);
  assert.match(breachesOf("examples/x.ts", open).join(), /left in the code/);
  for (const call of ['test.sk_ip("a", f)', "t.sk_ip()", 'test.on_ly("a", f)', "{ sk_ip: true }"]) {
    const text = `${head}${call.replace("_", "")};\n`;
    assert.equal(breachesOf("test/x.test.ts", text).length, 1, text);
  }
  for (const call of [
    't.sk_ip("why")',
    'test.sk_ip("a (why)", f)',
    'test("a", { sk_ip: "why" }, f)',
  ]) {
    const text = `${head}${call.replace("_", "")};\n`;
    assert.deepEqual(breachesOf("test/x.test.ts", text), []);
  }
});

test("imports are read in every form they have", () => {
  const text = `
    import a from "./a.ts"; import type { B } from "./b.ts"; import { type C } from "./c.ts";
    import { type D, e } from "./d.ts"; export type { F } from "./f.ts"; export * from "./g.ts";
    import "./h.ts"; await import("./i.ts");
    /* import "./no.ts" */ // import "./no.ts"
  `;
  assert.deepEqual(
    importsOf(text).map(({ target, values }) => `${target} ${values.join()}`),
    ["./a.ts *", "./b.ts ", "./c.ts ", "./d.ts e", "./f.ts ", "./g.ts *", "./h.ts *", "./i.ts *"],
  );
});

test("the repository's root is where this test thinks it is", () => {
  assert.ok(
    readTree().some(({ path }) => path === "src/errors.ts"),
    relative(".", root),
  );
});
