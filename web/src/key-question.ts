/** The dialog that asks for the server's key, in the document from the first question on. Knows no requests. */
import { flushSync, mount } from "svelte";
import KeyDialog from "./components/KeyDialog.svelte";

interface Asking {
  ask(wasWrong: boolean): Promise<string>;
}

let dialog: Asking | undefined;

export function askForKey(wasWrong: boolean): Promise<string> {
  if (dialog === undefined) {
    dialog = mount(KeyDialog, { target: document.body }) as unknown as Asking;
    flushSync();
  }
  return dialog.ask(wasWrong);
}
