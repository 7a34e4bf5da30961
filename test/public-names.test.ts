/** The names that the package exports: few at its front door, each of them there at run time if it is a value. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { exports: entries } = JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as {
  exports: Record<string, string>;
};

/** Path of an entry's source by its name in package.json. */
const sources = new Map(
  Object.entries(entries)
    .filter(([name]) => name !== "./package.json")
    .map(([name, path]) => [name, path.replace("./dist/", "src/").replace(/\.js$/, ".ts")]),
);

function namesIn(text: string): { name: string; isType: boolean }[] {
  return [...text.matchAll(/export (type )?\{([^}]*)\}/g)].flatMap(([, type, list]) =>
    list!
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "")
      .map((item) => ({
        name: item.replace(/^type /, ""),
        isType: type !== undefined || item.startsWith("type "),
      })),
  );
}

test("the front door has at most 45 names", () => {
  const names = namesIn(readFileSync(`${root}/${sources.get(".")}`, "utf8"));
  assert.ok(names.length > 0 && names.length <= 45, `${names.length} names`);
});

for (const [entry, path] of sources)
  test(`${entry} exports what its source lists`, async () => {
    const listed = namesIn(readFileSync(`${root}/${path}`, "utf8"));
    const module = (await import(`../${path}`)) as Record<string, unknown>;
    const values = listed.filter(({ isType }) => !isType).map(({ name }) => name);
    assert.deepEqual(Object.keys(module).toSorted(), values.toSorted());
    assert.equal(new Set(listed.map(({ name }) => name)).size, listed.length);
  });
