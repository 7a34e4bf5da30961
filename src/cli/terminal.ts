/**
 * Whether a person is at the terminal of this process, and has a screen. Knows environment variables; not what is
 * shown.
 */
import { spawn } from "node:child_process";

export interface Terminal {
  /** Whether stdin and stdout are a terminal outside CI. */
  readonly isInteractive: boolean;
  /** Absent where no browser can be shown: over SSH, in a container, without a desktop. */
  readonly openBrowser: ((url: string) => void) | undefined;
}

/** What is needed of `process`. */
export interface ProcessLike {
  readonly stdin: { readonly isTTY?: boolean };
  readonly stdout: { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
}

export function terminalOf({ stdin, stdout, env, platform }: ProcessLike): Terminal {
  const isInteractive = stdin.isTTY === true && stdout.isTTY === true && !env["CI"];
  const opener = isInteractive ? openerOf(platform, env) : undefined;
  return {
    isInteractive,
    openBrowser:
      opener &&
      ((url) => {
        const [program, ...words] = opener;
        const child = spawn(program, [...words, url], { detached: true, stdio: "ignore" });
        // Without such a program, the address is still on the screen.
        child.once("error", () => undefined);
        child.unref();
      }),
  };
}

/** The program, and its arguments before the address, that opens an address in a browser. */
function openerOf(platform: string, env: ProcessLike["env"]): [string, ...string[]] | undefined {
  const isRemote = Boolean(env["SSH_CONNECTION"] || env["SSH_TTY"]);
  if (platform === "darwin") return isRemote ? undefined : ["open"];
  // The empty word is the title of the window that `start` would otherwise take from the address.
  if (platform === "win32") return isRemote ? undefined : ["cmd", "/c", "start", ""];
  return env["DISPLAY"] || env["WAYLAND_DISPLAY"] ? ["xdg-open"] : undefined;
}
