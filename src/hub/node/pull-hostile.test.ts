/** What of a hub's answers is believed, and what its refusals say. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { digestOf, listingOf, sendBytes, startHub, type Answer } from "../../../test/hub-server.ts";
import {
  commit,
  freshCache,
  onWeights,
  pull,
  pulled,
  quick,
  random,
  refused,
  small,
  text,
  weights,
} from "../../../test/pulled-model.ts";
import { InvalidConfigError } from "../../errors.ts";
import { parseModelName } from "../index.ts";
import { planRemoval, pullModel } from "./index.ts";

test("a list without an end is read no further than lists go", async () => {
  const answer: Answer = ({ url = "" }, response) => {
    if (!url.includes("/tree/")) return false;
    response.writeHead(200);
    const chunk = `[${'{"type":"directory"},'.repeat(10_000)}`;
    const more = (): void => {
      if (!response.destroyed) response.write(chunk, () => setImmediate(more));
    };
    more();
    return true;
  };
  await refused(/is longer than 8388608 bytes/, small, { answer });
});

test("a list of pages without an end is given up", async () => {
  const answer: Answer = ({ url = "", headers }, response) => {
    if (!url.includes("/tree/")) return false;
    const next = `<http://${headers.host}${url.split("&cursor")[0]}&cursor=a>; rel="next"`;
    response
      .writeHead(200, { link: next })
      .end(JSON.stringify(Array.from({ length: 900 }, () => ({ type: "file", path: "a/b" }))));
    return true;
  };
  await refused(/more than 10000 files/, small, { answer });
});

test("a token goes to the hub, and not with a redirect to another host", async () => {
  const seen: (string | undefined)[] = [];
  await using storage = await startHub(small, (request, response) => {
    seen.push(request.headers.authorization);
    sendBytes(weights, request.headers.range, response);
    return true;
  });
  const answer = onWeights((_request, response) => {
    response.writeHead(302, { location: `${storage.origin}/bucket?signature=x` }).end();
    return true;
  });
  const { requests } = await pulled(small, { answer, token: "hf_secret" });
  assert.deepEqual(seen, [undefined]);
  assert.ok(requests.every(({ headers }) => headers.authorization === "Bearer hf_secret"));
});

test("a list that goes on at another host is not followed there", async () => {
  let asked = 0;
  await using other = await startHub(small, (_request, response) => {
    asked++;
    response.end("[]");
    return true;
  });
  const answer: Answer = ({ url = "" }, response) => {
    if (!url.includes("/tree/")) return false;
    response.writeHead(200, { link: `<${other.origin}/more>; rel="next"` });
    response.end(JSON.stringify(listingOf(small)));
    return true;
  };
  await refused(/sends its list elsewhere/, small, { answer, token: "hf_secret" });
  assert.equal(asked, 0);
});

for (const [status, headers, token, expected] of [
  [
    401,
    {},
    undefined,
    /is not on 127\.0\.0\.1:\d+, or is private; check the name, and set HF_TOKEN/,
  ],
  [401, {}, "hf_x", /does not accept the token for owner\/repo/],
  [
    403,
    {
      "x-error-code": "GatedRepo",
      "x-error-message": "ask for it",
    },
    undefined,
    /does not give owner\/repo to strangers.*consent, give it at http/,
  ],
  [404, { "x-error-code": "RepoNotFound" }, undefined, /has nothing at .*check the name/],
  [429, { "retry-after": "4000" }, undefined, /got 429 .*the server asks to wait for 4000 s/],
  [500, {}, undefined, /got 500 Internal Server Error \(tried 3 times\)/],
] as const)
  test(`the hub's ${status}${token === undefined ? "" : " with a token"} says what to do`, async () => {
    const answer: Answer = (_request, response) => (
      response.writeHead(status, headers).end(),
      true
    );
    await refused(expected, small, { answer, ...(token && { token }) });
    const onFile = onWeights(answer);
    await refused(expected, small, { answer: onFile, ...(token && { token }) });
  });

test("after a 429 the wait is as long as the hub asks", async () => {
  let tries = 0;
  const waits: number[] = [];
  const answer = onWeights((_request, response) => {
    if (tries++ > 0) return false;
    response.writeHead(429, { "retry-after": "1" }).end();
    return true;
  });
  await pulled(small, { answer, onRetry: (_reason, wait) => waits.push(wait) });
  assert.deepEqual(waits, [1000]);
});

for (const [what, entry] of [
  ["a size that no disk has", { path: "model.safetensors", size: 2 ** 52, oid: "a".repeat(40) }],
  ["settings as large as weights", { path: "config.json", size: 2 ** 30, oid: "a".repeat(40) }],
  ["a digest that is a path", { path: "config.json", size: 3, oid: "../../../x" }],
  ["no size", { path: "config.json", oid: "a".repeat(40) }],
  ["nothing", null],
] as const)
  test(`a list with ${what} is refused before anything is fetched for it`, async () => {
    const answer: Answer = ({ url = "" }, response) => {
      if (!url.includes("/tree/")) return false;
      const rest = listingOf(small).filter(({ path }) => path !== entry?.path);
      response.end(JSON.stringify([...rest, entry && { type: "file", ...entry }]));
      return true;
    };
    await refused(
      /whose disk has \d+ free|expected a file of settings|does not answer as a hub/,
      small,
      { answer },
    );
  });

test("pages with nothing but the address of the next are given up", async () => {
  let asked = 0;
  const answer: Answer = ({ url = "", headers }, response) => {
    if (!url.includes("/tree/")) return false;
    const next = `<http://${headers.host}${url.split("&cursor")[0]}&cursor=${asked++}>; rel="next"`;
    response.writeHead(200, { link: next }).end("[]");
    return true;
  };
  await refused(/more than 100 pages of a list/, small, { answer });
  assert.ok(asked <= 100);
});

test("files that would lie one over the other are refused, before the weights are fetched", async () => {
  const config = { type: "file", path: "config.json", size: 3, oid: "a".repeat(40) };
  const index = text(
    JSON.stringify({ weight_map: { a: "part.safetensors", b: "Part.safetensors" } }),
  );
  const twins = {
    ...small,
    files: {
      "config.json": small.files["config.json"]!,
      "model.safetensors.index.json": index,
      "part.safetensors": random(90),
      "Part.safetensors": random(80),
    },
  };
  const twice: Answer = ({ url = "" }, response) => {
    if (!url.includes("/tree/")) return false;
    response.end(JSON.stringify([...listingOf(small), config]));
    return true;
  };
  await refused(/config\.json is listed twice/, small, { answer: twice });
  await refused(/[Pp]art\.safetensors and [Pp]art\.safetensors are one name on many disks/, twins);
});

test("names of devices are no files, whatever the index says", async () => {
  for (const name of ["nul.safetensors", "COM1.safetensors", "aux .safetensors"]) {
    const files = {
      "config.json": small.files["config.json"]!,
      "model.safetensors.index.json": text(JSON.stringify({ weight_map: { a: name } })),
      [name]: random(90),
    };
    await refused(/which is not in the repository/, { ...small, files });
  }
});

test("what an earlier call left is gone on from where it is a file, and nothing is written through a link", async () => {
  const cache = freshCache();
  const blobs = join(cache, "models--owner--repo", "blobs");
  mkdirSync(blobs, { recursive: true });
  const victim = join(cache, "victim");
  writeFileSync(victim, "as it was");
  const digest = digestOf(weights);
  // A process that is gone: no id is as large.
  const left = (n: number): string =>
    join(blobs, `${digest}.incomplete-${2 ** 22 + 1}-0000000${n}`);
  symlinkSync(victim, left(1));
  mkdirSync(left(2));
  const { path } = await pulled(small, { cache });
  assert.equal(readFileSync(victim, "utf8"), "as it was");
  assert.deepEqual(new Uint8Array(readFileSync(join(path, "model.safetensors"))), weights);
});

test("a link in place of a folder of the cache is refused before anything is fetched or written behind it", async () => {
  const folder = "models--owner--repo";
  const content = { ...small, revisions: ["pr/1"] };
  for (const at of ["", "blobs", "snapshots", `snapshots/${commit}`, "refs", "refs/pr"])
    for (const isThere of [true, false]) {
      const cache = freshCache();
      const elsewhere = freshCache();
      if (isThere) mkdirSync(elsewhere);
      const place = join(cache, folder, at);
      mkdirSync(dirname(place), { recursive: true });
      symlinkSync(elsewhere, place);
      const tried = await pull(content, { cache, name: "owner/repo@pr/1" });
      assert.ok(tried.found instanceof InvalidConfigError, `${at}: ${tried.found}`);
      assert.ok(tried.found.message.startsWith(`${place}: expected a folder of the cache`));
      assert.match(tried.found.message, /got a link to .*; nothing was written .*remove it/);
      assert.ok(tried.requests.every(({ url }) => !url!.includes("/resolve/")));
      assert.deepEqual(
        isThere ? readdirSync(elsewhere) : existsSync(elsewhere),
        isThere ? [] : false,
      );
    }
});

test("the cache itself may be a link, which its user has made", async () => {
  const [cache, elsewhere] = [freshCache(), freshCache()];
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, cache);
  const { path } = await pulled(small, { cache });
  assert.ok(path.startsWith(cache) && readdirSync(path).length === 4);
  const removal = await planRemoval(cache, parseModelName("owner/repo")!);
  await removal!.remove();
  assert.deepEqual(readdirSync(elsewhere), []);
});

test("names from a list lead nowhere", async () => {
  const answer: Answer = ({ url = "" }, response) => {
    if (!url.includes("/tree/")) return false;
    const evil = [
      "../config.json",
      "a/../../config.json",
      "/etc/config.json",
      "..",
      "LICENSE\u0000",
    ];
    const listed = evil.map((path) => ({ type: "file", path, size: 1, oid: "a".repeat(40) }));
    response.end(JSON.stringify([...listed, ...listingOf(small)]));
    return true;
  };
  const { path } = await pulled(small, { answer });
  assert.equal(readdirSync(path).length, 4);
});

test("a hub that is not there says what was tried and what to set", async () => {
  await using hub = await startHub(small);
  await hub[Symbol.asyncDispose]();
  const settings = { endpoint: hub.origin, cache: freshCache(), isOffline: false };
  await assert.rejects(
    pullModel(parseModelName("owner/repo")!, settings, quick),
    /\/api\/models\/owner\/repo.*ECONNREFUSED.*HF_ENDPOINT/,
  );
});
