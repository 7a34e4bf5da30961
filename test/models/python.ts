/** Python and its packages, for tests whose judge it is: `ENGRAM_PYTHON`, or python3. */
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

export const python: string = process.env["ENGRAM_PYTHON"] ?? "python3";

/** Why a test that needs these modules is skipped; false where they are there. */
export function needsPython(...modules: readonly string[]): string | false {
  const { status } = spawnSync(python, ["-c", `import ${modules.join(", ")}`]);
  return status !== 0 && `needs Python's ${modules.join(", ")} (ENGRAM_PYTHON)`;
}

/** A file of this ending that a package carries; undefined without the package. Imports nothing of it. */
export function fileOfPackage(name: string, ending: string): string | undefined {
  const program = `import importlib.util, sys; spec = importlib.util.find_spec(sys.argv[1]); print(list(spec.submodule_search_locations)[0] if spec else "")`;
  try {
    const folder = execFileSync(python, ["-c", program, name], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
    const file =
      folder === "" ? undefined : readdirSync(folder).find((one) => one.endsWith(ending));
    return file && join(folder, file);
  } catch {
    return undefined;
  }
}
