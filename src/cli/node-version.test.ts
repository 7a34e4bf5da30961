import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { complaintAbout } from "./node-version.ts";

const { engines } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as { engines: { node: string } };

test("a Node that package.json does not allow is named, with the one that is needed", () => {
  const needed = engines.node.replace(">=", "");
  for (const version of ["18.0.0", "20.20.2", "22.17.9"])
    assert.match(
      complaintAbout(version)!,
      new RegExp(`needs Node ${needed} or later, and this is Node ${version}:`),
    );
});

test("one that it allows is not spoken of", () => {
  const needed = `${engines.node.replace(">=", "")}.0`;
  for (const version of [needed, "22.19.1", "24.0.0", process.versions.node])
    assert.equal(complaintAbout(version), undefined);
});
