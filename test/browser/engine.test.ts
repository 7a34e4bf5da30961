/** The engine in a real Chromium, in a page that is not isolated: the conformance suite of all backends. */
import assert from "node:assert/strict";
import test from "node:test";
import { wasmFiles } from "../../src/tensor/backends/onnx/node/engine-files.ts";
import { noBrowser, TestBrowser } from "./browser.ts";
import { suiteInPage } from "./suite-in-page.ts";

test("the backend conformance suite passes in Chromium", { skip: noBrowser }, async (t) => {
  const browser = new TestBrowser(["--js-flags=--expose-gc"]);
  try {
    const found = await suiteInPage(browser, wasmFiles(), { randomGraphs: 5 });
    t.diagnostic(`${found.passed} passed`);
    assert.equal(found.isolated, false);
    assert.deepEqual(found.failures, []);
    assert.ok(found.passed > 1000, `${found.passed} tests ran`);
    assert.deepEqual(found.complaints, []);
  } finally {
    await browser.close();
  }
});
