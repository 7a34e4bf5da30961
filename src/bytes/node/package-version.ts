/** The version of the package, from package.json. */
import { readFileSync } from "node:fs";

// The source and the built file are both three levels below it.
const packageJson = new URL("../../../package.json", import.meta.url);

export const version: string = (
  JSON.parse(readFileSync(packageJson, "utf8")) as { version: string }
).version;
