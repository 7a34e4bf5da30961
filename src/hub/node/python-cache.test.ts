/** The cache is the one of Python's huggingface_hub, which is the judge here. */
import assert from "node:assert/strict";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { digestOf, startHub } from "../../../test/hub-server.ts";
import { commit, freshCache, inFolder, pulled, small } from "../../../test/pulled-model.ts";
import { parseModelName } from "../index.ts";
import { findCachedModel, hubSettings } from "./index.ts";

const python = process.env["ENGRAM_PYTHON"] ?? "python3";
const hasHub = spawnSync(python, ["-c", "import huggingface_hub"]).status === 0;

test(
  "Python's huggingface_hub finds what was pulled",
  { skip: hasHub ? false : "needs Python's huggingface_hub (ENGRAM_PYTHON)" },
  async () => {
    const { cache, path } = await pulled(small);
    const program = `
import json, sys
from huggingface_hub import snapshot_download, try_to_load_from_cache, scan_cache_dir, hf_hub_download
cache = sys.argv[1]
found = scan_cache_dir(cache)
print(json.dumps({
  "snapshot": snapshot_download("owner/repo", cache_dir=cache, local_files_only=True),
  "file": try_to_load_from_cache("owner/repo", "model.safetensors", cache_dir=cache),
  "download": hf_hub_download("owner/repo", "config.json", cache_dir=cache, local_files_only=True),
  "warnings": [str(w) for w in found.warnings],
  "repos": [[r.repo_id, r.nb_files, [sorted(v.refs) for v in r.revisions]] for r in found.repos],
}))`;
    const env = { ...process.env, HF_HUB_OFFLINE: "1" };
    const said = execFileSync(python, ["-c", program, cache], { encoding: "utf8", env });
    assert.deepEqual(JSON.parse(said), {
      snapshot: path,
      file: join(path, "model.safetensors"),
      download: join(path, "config.json"),
      warnings: [],
      repos: [["owner/repo", 4, [["main"]]]],
    });
  },
);

test(
  "what Python's huggingface_hub has downloaded is found, and not fetched again",
  { skip: hasHub ? false : "needs Python's huggingface_hub (ENGRAM_PYTHON)" },
  async () => {
    await using hub = await startHub(small, ({ method, url = "" }, response) => {
      if (method !== "HEAD") return false;
      const bytes = small.files[url.split("/").at(-1)!]!;
      response
        .writeHead(200, {
          etag: `"${digestOf(bytes)}"`,
          "x-repo-commit": commit,
          "content-length": bytes.length,
        })
        .end();
      return true;
    });
    const cache = freshCache();
    const program = `
import sys
from huggingface_hub import hf_hub_download
for name in ["config.json", "tokenizer.json", "README.md", "model.safetensors"]:
  hf_hub_download("owner/repo", name, cache_dir=sys.argv[1], endpoint=sys.argv[2])`;
    await promisify(execFile)(python, ["-c", program, cache, hub.origin]);
    const path = await findCachedModel(cache, parseModelName("owner/repo")!);
    assert.equal(path, join(inFolder(cache), "snapshots", commit));
    const { fetchedBytes } = await pulled(small, { cache });
    assert.equal(fetchedBytes, 0);
  },
);

test(
  "the environment means what it means to Python's huggingface_hub",
  { skip: hasHub ? false : "needs Python's huggingface_hub (ENGRAM_PYTHON)" },
  () => {
    const home = freshCache();
    const hfHome = join(home, ".cache", "huggingface");
    mkdirSync(hfHome, { recursive: true });
    writeFileSync(join(hfHome, "token"), "hf_from_file\n");
    const program = `
import json
from huggingface_hub import constants
from huggingface_hub.utils._headers import get_token_to_send
print(json.dumps({
  "endpoint": constants.ENDPOINT, "token": get_token_to_send(None),
  "cache": constants.HF_HUB_CACHE, "isOffline": constants.HF_HUB_OFFLINE,
}))`;
    for (const env of [
      { HF_ENDPOINT: "http://mirror.test:8000/hub/", HF_TOKEN: " hf_given\n" },
      { HF_HUB_DISABLE_IMPLICIT_TOKEN: "1", HF_TOKEN: "hf_given" },
      { HF_HUB_DISABLE_IMPLICIT_TOKEN: "yes" },
      { HF_HUB_DISABLE_IMPLICIT_TOKEN: "0", HF_HUB_OFFLINE: "True" },
      { HF_HOME: "~/hub-home", HF_HUB_OFFLINE: "2" },
      { XDG_CACHE_HOME: join(home, "xdg"), HF_TOKEN_PATH: join(hfHome, "token") },
      { HF_HUB_CACHE: "~/elsewhere", HUGGING_FACE_HUB_TOKEN: "hf_old" },
    ]) {
      const { PATH } = process.env;
      const said = execFileSync(python, ["-c", program], {
        encoding: "utf8",
        env: { PATH, HOME: home, ...env },
      });
      const { token = null, ...rest } = hubSettings(env, { home });
      assert.deepEqual({ token, ...rest }, JSON.parse(said), JSON.stringify(env));
    }
  },
);
