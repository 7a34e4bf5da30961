/** The version of the package, which is said in package.json and nowhere else. */
import { readFileSync } from "node:fs";

// Two levels up from the source and from the built file alike.
const packageJson = new URL("../../package.json", import.meta.url);

export const version: string = (
  JSON.parse(readFileSync(packageJson, "utf8")) as { version: string }
).version;
