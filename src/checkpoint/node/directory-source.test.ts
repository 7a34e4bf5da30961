import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { byteSourceConformance } from "../../../test/conformance/byte-source.ts";
import { sourceModel } from "../../../test/conformance/source-model.ts";
import { openDirectory } from "./directory-source.ts";

byteSourceConformance("a directory", {
  model: sourceModel,
  async open(files) {
    const directory = await mkdtemp(join(tmpdir(), "engram-source-"));
    for (const [name, bytes] of Object.entries(files))
      await writeFile(join(directory, name), bytes);
    return {
      source: await openDirectory(directory),
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
    };
  },
});
