/** Where a user's programs keep things (XDG Base Directory Specification). Knows the environment; not what is kept. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { InvalidConfigError } from "../../errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws `InvalidConfigError` for a user who has none, as in containers with a number for a user. */
export function homeDirectory(env: Environment = process.env): string {
  const named = env[process.platform === "win32" ? "USERPROFILE" : "HOME"];
  try {
    const home = named ?? homedir();
    if (isAbsolute(home)) return home;
  } catch {
    // The system knows no such user.
  }
  throw new InvalidConfigError(
    `this user has no home directory${named === undefined ? "" : ` (${JSON.stringify(named)})`}; set HOME to one`,
  );
}

/** What is no absolute path counts as not set, as the specification says. */
export function userDirectory(kind: "cache" | "data", env: Environment = process.env): string {
  const named = env[kind === "cache" ? "XDG_CACHE_HOME" : "XDG_DATA_HOME"] ?? "";
  if (isAbsolute(named)) return named;
  return join(homeDirectory(env), ...(kind === "cache" ? [".cache"] : [".local", "share"]));
}
